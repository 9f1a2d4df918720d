"""A supervised classifier in the place of a zero-shot one: what ``classify`` and ``calibrate`` do with it or refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from zsderm.cli import main, options
from zsderm.encoders.base import SUPERVISED_PREFIX
from zsderm.supervised import SupervisedClassifier

TRAINED = ("melanoma", "nevus", "scabies")


@pytest.fixture
def model(supervised_folder: Callable[..., Path]) -> str:
    return f"supervised:{supervised_folder(TRAINED)}"


@pytest.fixture
def run(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs ``zsderm`` with the small encoder in place of the bundled sentence model."""
    monkeypatch.setattr("zsderm.narratives.answers._bundled", lambda: tiny_encoder)
    monkeypatch.setenv("ZSDERM_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.slow
def test_its_own_classes_are_answered_with_stories_in_tables_and_in_a_report(
    run: Callable[..., Result], photos: Path, model: str, tmp_path: Path
) -> None:
    stories, out, page = tmp_path / "stories.csv", tmp_path / "out.csv", tmp_path / "report.html"
    stories.write_text("image,narrative\n0.png,It itches at night and my brother has it too.\n1.png,\n")
    told = ("--narratives", stories, "-o", out, "--report", page, "--group-by", "folder")
    done = run("classify", photos, "--model", model, *told)
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out, keep_default_na=False)
    table["name"] = [Path(image).name for image in table["image"]]
    table = table.set_index("name")
    seen = SupervisedClassifier.load(model).predict(photos)
    names = [Path(image).name for image in seen.images]
    shares = table.loc[names, seen.probability_columns]
    assert [column.removeprefix("probability: ") for column in shares] == list(TRAINED)
    expected = dict(zip(names, seen.probabilities.numpy(), strict=True))
    for same in ("1.png", "2.png", "3.png"):
        assert shares.loc[same].astype(float).to_numpy() == pytest.approx(expected[same], abs=1e-7)
    assert shares.loc["0.png"].astype(float).to_numpy() != pytest.approx(expected["0.png"], abs=1e-3)
    assert set(table["method"]) == {"supervised"} and "familiarity" not in table and table.loc["torn.jpg", "error"]
    assert list(table["label_by_image"]) == [label for label in seen.labels]
    manifest = json.loads(Path(f"{out}.manifest.json").read_text("utf-8"))["manifest"]
    assert manifest["trained_on"] == list(TRAINED) and manifest["narratives"]["read"] == 1
    assert len(pd.read_csv(tmp_path / "out-groups.csv")) == 1
    html = page.read_text("utf-8")
    assert "What the patient tells" in html and "Below each answer stand" not in html


@pytest.mark.slow
def test_it_is_calibrated_and_evaluated(
    run: Callable[..., Result], photos: Path, model: str, words_folder: Path, tmp_path: Path
) -> None:
    labels, record, out = tmp_path / "labels.csv", tmp_path / "record.json", tmp_path / "out.csv"
    labels.write_text("image,label\n" + "".join(f"{n}.png,{TRAINED[n % 3]}\n" for n in range(4)))
    given = ("--images", photos, "--model", model)
    sets = ("--coverage", "0.5", "--abstain-rate", "0.2", "--abstain-score", "margin")
    done = run("calibrate", *given, "--labels", labels, *sets, "-o", record)
    assert done.exit_code == 0, done.output
    words = ("--narrative", "It itches at night and my brother has it too.", "--words-model", words_folder)
    done = run("classify", *given, "--calibration", record, *words, "-o", out)
    assert done.exit_code == 0, done.output
    assert "among the prediction set by photograph" in " ".join(done.stderr.split())
    assert {"prediction_set", "abstained"} <= set(pd.read_csv(out))
    done = run("evaluate", "--predictions", out, "--labels", labels, "--classes", ", ".join(TRAINED))
    assert done.exit_code == 0 and "accuracy" in done.stdout
    done = run("classify", *given, "--calibration", record, "--views", "4")
    assert done.exit_code == 1 and "views 1" in done.stderr
    done = run("classify", *given, "-c", "nevus, melanoma", "--calibration", record)
    assert done.exit_code == 1 and "Expected the classes of the calibration" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--method", "knowledge"), 2, "--method cannot be given with --model supervised:FOLDER"),
        (("--prior", "uniform"), 2, "--prior cannot be given"),
        (("--retrieval", "image"), 2, "--retrieval cannot be given"),
        (("--fit", "fitted"), 2, "--fit cannot be given"),
        (("--explain", "heat"), 2, "--explain cannot be given"),
        (("--modality", "clinical"), 2, "--modality cannot be given"),
        (("--knowledge", "dermatology"), 2, "needs --narratives or --narrative"),
        (("-c", "nevus, psoriasis"), 1, "was not trained on psoriasis: it answers only melanoma, nevus, scabies"),
        (("--model", "supervised:photos"), 1, "has no supervised.json"),
        (("--model", "supervised:"), 1, "but got no folder. zsderm pretrain supervised writes one"),
    ],
)
def test_what_means_nothing_to_it_is_refused(
    run: Callable[..., Result],
    photos: Path,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(photos.parent)
    done = run("classify", photos, "--model", model, *arguments)
    assert done.exit_code == code and says in " ".join(done.stderr.split())


def test_abstention_by_energy_is_refused_before_any_work(run: Callable[..., Result], photos: Path, model: str) -> None:
    labels = photos.parent / "labels.csv"
    labels.write_text("image,label\n0.png,nevus\n")
    how = ("--images", photos, "--labels", labels, "--model", model, "-o", photos.parent / "record.json")
    done = run("calibrate", *how, "--abstain-rate", "0.1")
    assert done.exit_code == 2 and "needs --abstain-score max-probability or margin" in " ".join(done.stderr.split())


def test_the_options_know_its_prefix() -> None:
    assert options.SUPERVISED == SUPERVISED_PREFIX
