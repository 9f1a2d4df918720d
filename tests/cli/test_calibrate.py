"""From labelled photographs to a record, and from the record to trusted answers, with a small real encoder."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from zsderm.calibration import FAMILIARITIES, SET_SCORES, Calibration
from zsderm.cli import calibrate, main
from zsderm.predictions import Predictions

CLASSES = "melanoma, nevus, psoriasis"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty photographs in three colours."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(40):
        colour = np.array([(70, 40, 30), (200, 120, 110), (150, 100, 80)][n % 3])
        pixels = np.clip(colour + rng.normal(0, 40, (16, 16, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{n:02d}.png")
    return folder


@pytest.fixture
def run(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> object:
    """Runs a command with the small encoder in place of the bundled one."""
    monkeypatch.setattr("zsderm.classifier.load_encoder", lambda name, device=None: tiny_encoder)
    monkeypatch.setenv("ZSDERM_CACHE", str(tmp_path / "cache"))

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(main, [*map(str, arguments)])

    return call


@pytest.fixture
def labels(run, photos: Path, tmp_path: Path) -> Path:
    """What the encoder answers, with every fourth label another: a classifier that is right in three of four."""
    done = run("classify", "--images", photos, "--classes", CLASSES, "--method", "knowledge")
    assert done.exit_code == 0, done.output
    answers = pd.read_csv(io.StringIO(done.stdout))
    names = CLASSES.split(", ")
    true = [names[(names.index(row.label) + (n % 4 == 0)) % 3] for n, row in enumerate(answers.itertuples())]
    file = tmp_path / "labels.csv"
    pd.DataFrame({"image": answers["image"], "true_label": true}).to_csv(file, index=False)
    return file


def test_a_prior_that_was_not_used_is_told(run, photos: Path, labels: Path, tmp_path: Path) -> None:
    how = ("--classes", CLASSES, "--method", "knowledge", "--prior", "uniform", "--output", tmp_path / "record.json")
    done = run("calibrate", "--images", photos, "--labels", labels, *how)
    assert done.exit_code == 0 and done.stderr.count("Note: The prior 'uniform' was not used") == 1


@pytest.mark.slow
def test_what_the_record_promises_is_in_the_table(run, photos: Path, labels: Path, tmp_path: Path) -> None:
    record, how = tmp_path / "record.json", ("--classes", CLASSES, "--method", "knowledge", "--images", photos)
    done = run("calibrate", *how, "--labels", labels, "--abstain-rate", 0.1, "--coverage", 0.8, "--output", record)
    assert done.exit_code == 0, done.output
    assert (
        "40 labelled images of 40; method knowledge, prior none" in done.stderr and f"Written: {record}" in done.stderr
    )
    learned = Calibration.load(record)
    assert learned.n == 40 and learned.source == "labels.csv" and learned.conformal.coverage == 0.8

    plain = pd.read_csv(io.StringIO(run("classify", *how).stdout))
    done = run("classify", *how, "--calibration", record)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(io.StringIO(done.stdout))
    assert (table["label"] == plain["label"]).all() and "may be none of these" in done.stderr
    columns = [column for column in plain if column.startswith("probability: ")]
    expected = torch.from_numpy(plain[columns].to_numpy()).log().div(learned.temperature).softmax(dim=1)
    np.testing.assert_allclose(table[columns], expected, atol=1e-4)
    true = pd.read_csv(labels)["true_label"]
    inside = [name in row.split("; ") for name, row in zip(true, table["prediction_set"], strict=True)]
    assert np.mean(inside) >= 0.8 and 0 < table["abstained"].sum() <= 4


@pytest.mark.slow
def test_a_fitted_classifier_is_calibrated_and_applied(run, photos: Path, labels: Path, tmp_path: Path) -> None:
    fitted, record = tmp_path / "fitted", tmp_path / "record.json"
    fit = run("classify", "--images", photos, "--classes", CLASSES, "--prior", "uniform", "--fit", fitted)
    assert fit.exit_code == 0, fit.output
    done = run("calibrate", "--images", photos, "--labels", labels, "--fitted", fitted, "--no-sets", "--output", record)
    assert done.exit_code == 0, done.output
    assert json.loads(record.read_text())["made_with"]["method"] == "kpl"
    done = run("classify", "--images", photos / "01.png", "--fitted", fitted, "--calibration", record)
    assert done.exit_code == 0, done.output
    assert "prediction_set" not in done.stdout and "method kpl" in done.stderr
    other = run("classify", "--images", photos, "--classes", CLASSES, "--prior", "uniform", "--calibration", record)
    assert other.exit_code == 1 and "fitted classifier" in other.stderr


@pytest.mark.slow
def test_the_order_of_the_classes_makes_no_difference(run, photos: Path, labels: Path, tmp_path: Path) -> None:
    record, how = tmp_path / "record.json", ("--images", photos, "--method", "knowledge")
    sets = ("--class-conditional", "--coverage", 0.6)
    assert run("calibrate", *how, *sets, "-c", CLASSES, "--labels", labels, "-o", record).exit_code == 0
    turned = ", ".join(CLASSES.split(", ")[::-1])
    tables = []
    for classes in (CLASSES, turned):
        done = run("classify", *how, "--classes", classes, "--calibration", record)
        assert done.exit_code == 0, done.output
        tables.append(pd.read_csv(io.StringIO(done.stdout)))
    assert list(tables[0]) != list(tables[1])
    first, second = (table["prediction_set"].fillna("").map(lambda cell: set(cell.split("; "))) for table in tables)
    assert first.tolist() == second.tolist() and tables[0]["label"].tolist() == tables[1]["label"].tolist()
    np.testing.assert_allclose(tables[0]["probability"], tables[1]["probability"], atol=1e-5)
    other = run("classify", *how, "--classes", turned, "--names", "typed", "--calibration", record)
    assert other.exit_code == 1 and "with class texts" in other.stderr


@pytest.mark.slow
def test_the_very_photographs_of_a_calibration_get_no_tick(run, photos: Path, labels: Path, tmp_path: Path) -> None:
    record, how = tmp_path / "record.json", ("-c", CLASSES, "--method", "knowledge", "--labels", labels)
    assert run("calibrate", photos, *how, "--coverage", 0.6, "-o", record).exit_code == 0
    copied, others = (tmp_path / name for name in ("copied", "others"))
    shutil.copytree(photos, copied)
    others.mkdir()
    for file in photos.iterdir():  # the same pixels, so the same answers, but other files
        Image.open(file).save(others / file.name, compress_level=1)
    older = tmp_path / "older.json"
    fields = json.loads(record.read_text())
    older.write_text(json.dumps({name: fields[name] for name in fields if name not in ("photographs", "checksum")}))
    said = "The calibration was learned from <b>40</b> of these photographs, so this is no test of it"
    pages = []
    for place, calibration in ((copied, record), (others, record), (others, older)):
        done = run("classify", place, *how, "--calibration", calibration, "--report", tmp_path / "report.html")
        assert done.exit_code == 0, done.output
        pages.append((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [(said in page, "✓ As was asked for" in page) for page in pages] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert all(fields["photographs"][0] not in page for page in pages)


def test_a_record_of_other_classes_is_refused(run, photos: Path, labels: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    how = ("--images", photos, "--method", "knowledge")
    assert run("calibrate", *how, "--classes", CLASSES, "--labels", labels, "--output", record).exit_code == 0
    done = run("classify", *how, "--classes", "melanoma, nevus", "--calibration", record)
    assert done.exit_code == 1 and "classes of the calibration" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "said"),
    [
        (("--classes", "melanoma, nevus"), "classes of the calibration"),
        (("--classes", CLASSES, "--k", "3"), "k"),
        (("--classes", CLASSES, "--knowledge", "none"), "class texts"),
        (("--classes", CLASSES, "--centre"), "centre"),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else value,
)
def test_a_calibration_that_does_not_fit_is_refused_before_images_are_embedded(
    run, photos: Path, labels: Path, tmp_path: Path, tiny_encoder, monkeypatch, other: tuple[str, ...], said: str
) -> None:
    record, how = tmp_path / "record.json", ("--images", photos, "--method", "knowledge")
    assert run("calibrate", *how, "--classes", CLASSES, "--labels", labels, "--output", record).exit_code == 0
    monkeypatch.setattr(type(tiny_encoder), "encode_pixels", lambda *_: pytest.fail("an image was embedded"))
    done = run("classify", *how, *other, "--no-cache", "--calibration", record)
    assert done.exit_code == 1 and said in done.stderr, done.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--classes", CLASSES, "--coverage", "1"], 2, "coverage"),
        (["--classes", CLASSES, "--output", "record.yaml"], 2, "ends in .json"),
        ([], 2, "Missing option '--classes'"),
        (["--classes", "acne, eczema, wart"], 1, "is none of the 3 classes"),
    ],
)
def test_what_cannot_be_used_is_refused(run, photos, labels, tmp_path, arguments, code: int, words: str) -> None:
    given = ["--images", photos, "--labels", labels, "--method", "templates"]
    output = [] if "--output" in arguments else ["--output", tmp_path / "record.json"]
    done = run("calibrate", *given, *output, *arguments)
    assert done.exit_code == code and words in done.stderr
    assert not (tmp_path / "record.json").exists()


def test_the_scores_to_choose_from_are_those_of_the_library() -> None:
    assert set(calibrate.SET_SCORES) == set(SET_SCORES) and set(calibrate.FAMILIARITIES) == set(FAMILIARITIES)


@pytest.mark.slow
def test_a_calibration_says_how_many_views_were_averaged_as_the_encoders_card_recommends(
    run, photos: Path, labels: Path, tmp_path: Path, tiny_encoder
) -> None:
    record, how = tmp_path / "record.json", ("--classes", CLASSES, "--method", "knowledge", "--images", photos)
    tiny_encoder.card = replace(tiny_encoder.card, views=4)
    done = run("calibrate", *how, "--labels", labels, "--output", record)
    assert done.exit_code == 0, done.output
    assert Calibration.load(record).made_with["views"] == 4
    assert run("classify", *how, "--calibration", record).exit_code == 0
    refused = run("classify", *how, "--views", "1", "--calibration", record)
    assert refused.exit_code == 1 and "with views 4" in refused.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "other", [("--prior", "auto"), ("--prior", "weights.csv"), ("--names", "typed"), ("--views", "4"), ("--centre",)]
)
def test_a_record_made_otherwise_is_refused(
    run, photos: Path, labels: Path, tmp_path: Path, other, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights.csv").write_text("class,weight\nmelanoma,1\nnevus,8\npsoriasis,1\n")
    how = ("--images", photos, "--classes", CLASSES, "--prior", "uniform")
    assert run("calibrate", *how, "--labels", labels, "--output", "record.json").exit_code == 0
    assert run("classify", *how, "--calibration", "record.json").exit_code == 0
    done = run("classify", *how, *other, "--calibration", "record.json")
    assert done.exit_code == 1 and "Expected predictions made as those that were calibrated" in done.stderr


def test_a_calibration_that_makes_these_very_images_worse_is_said() -> None:
    probabilities = torch.tensor([[0.9, 0.1]] * 18 + [[0.1, 0.9]] * 2)
    predictions = Predictions(
        tuple(map(str, range(20))), ("a", "b"), probabilities, "templates", "none", "templates", ((),) * 20
    )
    true = np.array([0] * 16 + [1] * 4)  # nine of ten are right
    said = "\n".join(calibrate._summary(predictions, true, Calibration(4.0, n=20)))
    assert "Warning: this calibration makes the probabilities of these very images less true" in said
    assert "Do not use it" in said and "nats" not in said
    assert "Warning" not in "\n".join(calibrate._summary(predictions, true, Calibration(1.0, n=20)))


def test_a_mistake_in_the_labels_shows_before_the_work(run, photos, labels, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("zsderm.classifier.ZeroShotClassifier.predict", lambda *_, **__: pytest.fail("worked"))
    given = ["--images", photos, "--labels", labels, "--method", "templates", "--output", tmp_path / "record.json"]
    done = run("calibrate", *given, "--classes", "acne, eczema, wart")
    assert done.exit_code == 1 and "is none of the 3 classes" in done.stderr
