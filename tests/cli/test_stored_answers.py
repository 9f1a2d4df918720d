"""Embeddings in the place of photographs, and answers into a folder, from the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from zsderm.cli import main
from zsderm.cli.answer_tables import read_predictions
from zsderm.prediction_dataset import PredictionDataset

CLASSES = ("-c", "melanoma, nevus, psoriasis")
Run = Callable[..., Result]


@pytest.fixture
def run(tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs ``zsderm`` with the small encoder in place of the bundled one."""
    for place in ("zsderm.load_encoder", "zsderm.classifier.load_encoder"):
        monkeypatch.setattr(place, lambda name, device=None: tiny_encoder)
    monkeypatch.setenv("ZSDERM_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def photos(make_photos: Callable[[int], Path]) -> Path:
    """Twenty photographs in a folder, enough to learn from, and a file that is none."""
    return make_photos(20)


@pytest.fixture
def stored(run: Run, photos: Path, tmp_path: Path) -> dict[str, Path]:
    """The embeddings of the photographs, in each of the places that there are."""
    places = {"npy": tmp_path / "rows.npy", "parquet": tmp_path / "rows.parquet", "dataset": tmp_path / "rows"}
    for place in places.values():
        parts = [] if place.suffix else ["--part-rows", 6]
        done = run("embed", photos, "-o", place if place.suffix else f"{place}/", *parts)
        assert done.exit_code == 0, done.output
    return places


def _table(done: Result) -> pd.DataFrame:
    assert done.exit_code == 0, done.output
    return pd.read_csv(io.StringIO(done.stdout), keep_default_na=False)


HOW = {
    "kpl": ("--prior", "uniform"),
    "auto": (),
    "by image": ("--retrieval", "image", "--method", "knowledge"),
    "templates": ("--method", "templates"),
    "centred": ("--prior", "uniform", "--centre"),
    "words": ("--narrative", "It itches, and it bled twice since summer.", "--prior", "uniform"),
}


@pytest.mark.parametrize("kind", ["npy", "parquet", "dataset"])
@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_stored_embeddings_are_answered_as_the_photographs_are(
    run: Run, photos: Path, stored: dict[str, Path], how: tuple[str, ...], kind: str
) -> None:
    by_photograph = _table(run("classify", photos, *CLASSES, *how))
    by_row = _table(run("classify", "--embeddings", stored[kind], *CLASSES, *how))
    assert (by_photograph["error"] != "").sum() == 1
    pd.testing.assert_frame_equal(by_row, by_photograph, check_exact=False, rtol=0, atol=1e-6)


@pytest.mark.parametrize("layout", ["wide", "long"])
@pytest.mark.parametrize("source", ["photographs", "npy", "dataset"])
def test_a_folder_holds_what_a_table_holds(
    run: Run, photos: Path, stored: dict[str, Path], tmp_path: Path, source: str, layout: str
) -> None:
    images = [photos] if source == "photographs" else ["--embeddings", stored[source]]
    how = (*CLASSES, "--prior", "uniform", "--format", layout, "--min-probability", "0.5")
    table, folder = tmp_path / "answers.parquet", tmp_path / "answers"
    one = run("classify", photos, *how, "-o", table)
    other = run("classify", *images, *how, "-o", f"{folder}/")
    assert one.exit_code == other.exit_code == 0, other.output
    # Programs that read a folder as one table pass over what begins with "_".
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder), pd.read_parquet(table), check_exact=False, rtol=0, atol=1e-6, check_dtype=False
    )
    said, known = (json.loads(_facts(place)) for place in (folder / "part-000000.parquet", table))
    assert said["classes"] == known["classes"] and said["manifest"]["settings"] == known["manifest"]["settings"]
    dataset = PredictionDataset.open_finished(folder)
    assert dataset.finished is not None and dataset.finished["manifest"]["notes"] == known["manifest"]["notes"]
    assert dataset.counts.images == 21 and dataset.counts.failed == 1
    lines = [line for line in one.stderr.splitlines() if line.startswith(("  ", "Note"))]
    assert [line for line in other.stderr.splitlines() if line.startswith(("  ", "Note"))] == lines


def _facts(path: Path) -> bytes:
    from pyarrow import parquet

    return bytes(parquet.read_schema(path).metadata[b"zsderm"])


def test_evaluate_reads_a_folder_as_it_reads_a_table(run: Run, stored: dict[str, Path], tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "image,true_label\n" + "\n".join(f"{n}.png,{'nevus' if n % 3 else 'melanoma'}" for n in range(20))
    )
    figures = []
    for output, layout in (
        (tmp_path / "a.parquet", "wide"),
        (f"{tmp_path}/wide/", "wide"),
        (f"{tmp_path}/long/", "long"),
    ):
        how = (*CLASSES, "--format", layout, "-o", output)
        assert run("classify", "--embeddings", stored["npy"], *how).exit_code == 0
        done = run("evaluate", "--predictions", output, "--labels", labels, "--classes", CLASSES[1], "--json")
        assert done.exit_code == 0, done.output
        figures.append(json.loads(done.stdout))
    assert figures[0] == figures[1] == figures[2]
    table = read_predictions(tmp_path / "wide", None)
    assert table.column("probability: nevus") == [
        "" if np.isnan(p) else repr(p) for p in table.frame["probability: nevus"].tolist()
    ]
    both = run(
        "evaluate", "--predictions", tmp_path / "a.parquet", "--predictions", tmp_path / "long",
        "--labels", labels, "--classes", CLASSES[1], "--json",
    )  # fmt: skip
    assert json.loads(both.stdout)["comparisons"]["long"]["accuracy"]["value"] == 0
    by_address = run(
        "evaluate", "--predictions", (tmp_path / "wide").as_uri(), "--labels", labels, "--classes", CLASSES[1], "--json"
    )
    assert json.loads(by_address.stdout) == figures[0]


def test_evaluate_refuses_a_folder_that_holds_no_answers(run: Run, photos: Path) -> None:
    done = run("evaluate", "--predictions", photos, "--classes", CLASSES[1])
    assert done.exit_code == 1 and "cannot read the data set of answers" in done.stderr


def test_groups_regions_and_labels_work_by_name(
    run: Run, photos: Path, stored: dict[str, Path], tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    table.write_text(
        "image,dx,lesion_id,region\n"
        + "\n".join(f"{n}.png,nevus,L{n // 3},{'NOSE' if n % 2 else ''}" for n in range(20))
    )
    how = (*CLASSES, "--group-by", "lesion_id", "--labels", table, "--regions", table)
    outputs = []
    for name, images in {"a": [photos], "b": ["--embeddings", stored["dataset"]]}.items():
        report = tmp_path / f"{name}.html"
        done = run("classify", *images, *how, "-o", tmp_path / f"{name}.csv", "--report", report)
        assert done.exit_code == 0, done.output
        assert "Beside the true labels" in report.read_text(encoding="utf-8")
        outputs.append([(tmp_path / f"{name}{end}.csv").read_bytes() for end in ("", "-groups")])
    assert outputs[0] == outputs[1]


def test_a_report_has_no_pictures_of_photographs_that_are_gone(
    run: Run, photos: Path, stored: dict[str, Path], tmp_path: Path
) -> None:
    for path in photos.iterdir():
        path.unlink()
    report = tmp_path / "report.html"
    done = run("classify", "--embeddings", stored["npy"], *CLASSES, "--report", report)
    assert done.exit_code == 0, done.output
    assert "data:image/jpeg" not in report.read_text(encoding="utf-8")


def test_what_is_learned_from_rows_is_what_is_learned_from_photographs(
    run: Run, photos: Path, stored: dict[str, Path], tmp_path: Path
) -> None:
    rows = ("--embeddings", stored["dataset"])
    assert run("classify", photos, *CLASSES, "--prior", "uniform", "--fit", tmp_path / "a").exit_code == 0
    assert run("classify", *rows, *CLASSES, "--prior", "uniform", "--fit", tmp_path / "b").exit_code == 0
    tables = [_table(run("classify", *rows, "--fitted", tmp_path / name)) for name in ("a", "b")]
    pd.testing.assert_frame_equal(*tables, check_exact=False, rtol=0, atol=1e-6)
    folder = tmp_path / "answers"
    assert run("classify", *rows, "--fitted", tmp_path / "b", "-o", f"{folder}/").exit_code == 0
    assert not (folder / "_fitted.safetensors").exists()
    assert pd.read_parquet(folder)["label"].tolist() == tables[1]["label"].tolist()
    both = tmp_path / "both"
    assert run("classify", *rows, *CLASSES, "--fit", tmp_path / "c", "-o", f"{both}/").exit_code == 0
    (both / "part-000000.parquet").unlink()
    again = run("classify", *rows, "--fitted", tmp_path / "c", "-o", f"{both}/")
    assert again.exit_code == 0 and "1 part made" in again.stderr, again.output


def test_a_calibration_from_rows_serves_photographs_and_folders(
    run: Run, photos: Path, stored: dict[str, Path], tmp_path: Path
) -> None:
    labels, record = tmp_path / "labels.csv", tmp_path / "record.json"
    labels.write_text(
        "image,true_label\n" + "\n".join(f"{n}.png,{'nevus' if n % 3 else 'melanoma'}" for n in range(20))
    )
    how = (*CLASSES, "--method", "templates")
    made = run("calibrate", "--embeddings", stored["dataset"], *how, "--labels", labels, "-o", record)
    assert made.exit_code == 0, made.output
    by_photograph = _table(run("classify", photos, *how, "--calibration", record))
    folder = tmp_path / "answers"
    done = run("classify", "--embeddings", stored["npy"], *how, "--calibration", record, "-o", f"{folder}/")
    assert done.exit_code == 0, done.output
    found = pd.read_parquet(folder)
    assert found["prediction_set"].tolist() == by_photograph["prediction_set"].tolist()
    np.testing.assert_allclose(
        found["probability"].fillna(0), pd.to_numeric(by_photograph["probability"]).fillna(0), atol=1e-6
    )
    dataset = PredictionDataset.open_finished(folder)
    assert dataset.finished is not None and dataset.finished["manifest"]["calibration_learned_from"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("photos",), "name either of them"),
        (("--explain", "heat"), "heat maps cover one place of a photograph"),
        (("--follow-links",), "no folders of photographs are gone through"),
        (("--model", "supervised:somewhere"), "its network answers from photographs"),
    ],
)
def test_what_needs_photographs_does_not_go_with_embeddings(
    run: Run, stored: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("classify", *options, "--embeddings", stored["npy"], *CLASSES)
    assert done.exit_code == 2 and said in done.stderr


@pytest.mark.parametrize(
    "options", [("--report", "page.html"), ("--group-by", "folder"), ("--narrative", "It itches a lot.")]
)
def test_what_needs_all_answers_at_once_does_not_go_with_a_folder(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("classify", photos, *CLASSES, *options, "-o", "answers/")
    assert done.exit_code == 2 and f"{options[0]} cannot be given with -o FOLDER/" in done.stderr
    assert not (tmp_path / "answers").exists()


def test_embeddings_of_another_encoder_or_of_other_views_are_refused(
    run: Run, stored: dict[str, Path], tiny_encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("classify", "--embeddings", stored["npy"], *CLASSES, "--views", 4)
    assert done.exit_code == 1 and "expected embeddings of 4 views, but they are of 1" in done.stderr
    for kind in ("npy", "dataset"):
        monkeypatch.setattr(tiny_encoder, "fingerprint", "f" * 16)
        done = run("classify", "--embeddings", stored[kind], *CLASSES)
        assert done.exit_code == 1 and "expected embeddings of 'tiny' (ffffffffffffffff)" in done.stderr


def test_what_is_no_embeddings_is_refused(run: Run, photos: Path, stored: dict[str, Path]) -> None:
    done = run("classify", "--embeddings", photos, *CLASSES)
    assert done.exit_code == 1 and "expected embeddings in" in done.stderr
    (stored["dataset"] / "part-000001.parquet").unlink()
    manifest = stored["dataset"] / "embeddings.json"
    said = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**said, "finished": None}), encoding="utf-8")
    done = run("classify", "--embeddings", stored["dataset"], *CLASSES)
    assert done.exit_code == 1 and "is not finished: 1 of 4 parts" in done.stderr
    assert run("classify", "--embeddings", photos / "none.npy", *CLASSES).exit_code == 2


def test_one_row_is_answered_and_rows_of_which_none_could_be_read_are_an_error(
    run: Run, make_photos: Callable[[int], Path], tmp_path: Path
) -> None:
    folder = make_photos(1)
    for name, image, code in (("one", folder / "0.png", 0), ("none", folder / "torn.jpg", 1)):
        run("embed", "--images", image, "-o", tmp_path / f"{name}.npy")
        rows = ("--embeddings", tmp_path / f"{name}.npy", *CLASSES)
        done = run("classify", *rows, "-o", f"{tmp_path / name}/")
        assert done.exit_code == run("classify", *rows, "-o", tmp_path / f"{name}.csv").exit_code == code, done.output
        found = pd.read_parquet(tmp_path / name)
        assert len(found) == 1 and (found["error"][0] == "") is (code == 0)


def test_strict_ends_as_with_a_table(run: Run, stored: dict[str, Path], tmp_path: Path) -> None:
    done = run("classify", "--embeddings", stored["npy"], *CLASSES, "-o", f"{tmp_path}/answers/", "--strict")
    assert done.exit_code == 3 and "failed: " in done.stderr and "torn.jpg" in done.stderr


def test_the_folder_of_something_else_or_of_another_run_is_refused(
    run: Run, photos: Path, stored: dict[str, Path], tmp_path: Path
) -> None:
    rows = ("--embeddings", stored["npy"])
    done = run("classify", *rows, *CLASSES, "-o", f"{photos}/")
    assert done.exit_code == 1 and "but it holds" in done.stderr
    out = f"{tmp_path}/answers/"
    assert run("classify", *rows, *CLASSES, "-o", out).exit_code == 0
    again = run("classify", *rows, *CLASSES, "-o", out)
    assert again.exit_code == 0 and "1 of 1 part was there, 0 made" in again.stderr
    for options, said in (
        ((*rows, "-c", "melanoma, nevus"), "classes was"),
        ((*rows, *CLASSES, "--method", "templates"), "method was"),
        ((*rows, *CLASSES, "--prior", "uniform"), 'prior was "auto", and is "uniform" now'),
        ((*rows, *CLASSES, "--top-k", 2), "top k was 3, and is 2 now"),
        (("--images", photos / "1.png", *CLASSES), "images was 21, and is 1 now"),
    ):
        other = run("classify", *options, "-o", out)
        assert other.exit_code == 1 and said in other.stderr, other.output
