"""Linear probes on real pictures with the bundled encoder, in one folder with zero-shot runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zsderm import load_encoder
from zsderm.benchmarks.results import read_result
from zsderm.benchmarks.tables import own_tables, project
from zsderm.cli import main
from zsderm.errors import NotFoundError

CLASSES = ("nevus", "basal cell carcinoma", "actinic keratosis")
COLOURS = {"nevus": (90, 60, 40), "basal cell carcinoma": (220, 150, 150), "actinic keratosis": (190, 120, 90)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_photos: Callable[..., None]) -> Path:
    """18 pictures to learn from and 9 to be tested on, of three classes, two of a patient; one cannot be read."""
    root = tmp_path_factory.mktemp("probe")
    labels = [CLASSES[number % 3] for number in range(27)]
    names = [f"images/{number}.png" for number in range(27)]
    make_photos(root, names, [COLOURS[label] for label in labels])
    (root / "images" / "26.png").write_bytes(b"no picture")
    table = pd.DataFrame({"filename": names, "label": labels, "split": ["train"] * 18 + ["dev"] * 9})
    table["patient_id"] = [f"P{number // 6}{number % 3}" for number in range(27)]
    table.to_csv(root / "mine.csv", index=False)
    return root


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def done(folder: Path) -> Result:
    shared = ["--dataset", folder / "mine.csv", "--output", folder / "results", "--cache-dir", folder / "cache"]
    assert _run("benchmark", *shared, "--method", "class-name").exit_code == 0
    kinds = ["--features", "tokens", "--features", "embedding", "--k", 2, "--k", "all", "--repeats", 3]
    return _run("probe", *shared, *kinds)


@pytest.mark.slow
def test_every_probe_has_a_result_and_a_table_of_answers(done: Result, folder: Path) -> None:
    assert done.exit_code == 0 and done.stdout == "", done.output
    stems = {path.stem for path in (folder / "results").glob("*probe*.json")}
    start = "mine-dev--zsderm-mini--probe-on-"
    assert stems == {start + end for end in ("pooled-map-k2", "pooled-map-all", "embedding-k2", "embedding-all")}
    many = read_result(folder / "results" / f"{start}pooled-map-k2.json")
    assert many["data"]["train"]["learned_from"] == [6, 6, 6] and many["metrics"]["repeats"] == 3
    assert many["metrics"]["n"] == 8 and many["metrics"]["unclassified"] == 1
    assert "0 training and 1 test images could not be read" in many["manifest"]["notes"]
    rows = pd.read_parquet(folder / "results" / f"{start}pooled-map-k2.parquet")
    assert len(rows) == 27 and rows["repeat"].tolist() == [0] * 9 + [1] * 9 + [2] * 9
    assert np.array(many["confusion"]).sum() == 24


@pytest.mark.slow
def test_all_images_give_what_scikit_learn_gives_on_the_embeddings(done: Result, folder: Path) -> None:
    path = folder / "results" / "mine-dev--zsderm-mini--probe-on-embedding-all.json"
    found, answers = read_result(path), pd.read_parquet(path.with_suffix(".parquet"))
    encoder, table = load_encoder("zsderm-mini"), pd.read_csv(folder / "mine.csv")[:26]
    rows = encoder.encode_images([folder / name for name in table["filename"]]).numpy().astype(float)
    learn = (table["split"] == "train").to_numpy()
    model = LogisticRegression(C=found["probe"][0]["strength"], max_iter=1000, random_state=42)
    model = make_pipeline(StandardScaler(), model).fit(rows[learn], table["label"][learn])
    columns = [f"probability: {name}" for name in model.classes_]
    assert answers[columns].to_numpy()[:8] == pytest.approx(model.predict_proba(rows[~learn]), abs=1e-4)
    right = model.predict(rows[~learn]) == table["label"][~learn]
    assert found["metrics"]["accuracy"] == pytest.approx(right.mean())
    assert (
        _run("evaluate", "--predictions", path.with_suffix(".parquet"), "--classes", ", ".join(CLASSES)).exit_code == 0
    )


@pytest.mark.slow
def test_probes_stand_beside_zero_shot_rows_and_not_in_tables_of_those(done: Result, folder: Path) -> None:
    tables = own_tables(folder / "results")
    methods = [row[3] for row in tables["probes"].rows]
    assert methods[0] == "class-name" and methods[1:] == [
        "probe on embedding, k = 2",
        "probe on embedding, all",
        "probe on pooled map, k = 2",
        "probe on pooled map, all",
    ]
    assert [row[4] for row in tables["probes"].rows] == ["0", "6, 3 draws", "18", "6, 3 draws", "18"]
    assert "±" in str(tables["probes"].rows[1][5]) and "±" not in str(tables["probes"].rows[2][5])
    assert any("has no image tokens" in note for note in tables["probes"].notes)
    assert len(tables["summary"].rows) == 5 and "probe" not in project(folder / "results")
    assert all(len({frozenset(record) for record in table.records}) == 1 for table in tables.values())
    printed = _run(
        "benchmark", "--tables", folder / "results", "--output", folder / "tables", "--plots", folder / "plots"
    )
    assert printed.exit_code == 0 and (folder / "tables" / "probes.csv").is_file(), printed.output


@pytest.mark.slow
def test_a_finished_probe_is_not_repeated(done: Result, folder: Path) -> None:
    shared = ["--dataset", folder / "mine.csv", "--output", folder / "results", "--cache-dir", folder / "cache"]
    before = (folder / "results" / "mine-dev--zsderm-mini--probe-on-pooled-map-k2.json").read_text()
    again = _run("probe", *shared, "--k", 2, "--repeats", 3)
    assert "probe-on-pooled-map-k2: there already" in again.stderr
    forced = _run("probe", *shared, "--k", 2, "--repeats", 3, "--force")
    assert "±" in forced.stderr
    assert (folder / "results" / "mine-dev--zsderm-mini--probe-on-pooled-map-k2.json").read_text() == before
    other = _run("probe", *shared, "--k", 2, "--repeats", 2)
    assert "over 2 draws" in other.stderr  # other inputs


@pytest.mark.slow
def test_training_images_may_be_in_another_table_and_shared_patients_are_said(folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "mine.csv").drop(columns="split")
    table["filename"] = [str(folder / name) for name in table["filename"]]
    for name, rows in {"learn": table[:18], "test": table[15:18].assign(patient_id="P00"), "own": table[18:26]}.items():
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    shared = ["--train", tmp_path / "learn.csv", "--output", tmp_path / "results", "--cache-dir", folder / "cache"]
    fine = _run("probe", "--dataset", tmp_path / "own.csv", *shared, "--features", "embedding")
    assert fine.exit_code == 0 and "own--zsderm-mini--probe-on-embedding-all: n = 8" in fine.stderr, fine.output
    same = _run("probe", "--dataset", tmp_path / "test.csv", *shared)
    assert same.exit_code == 1 and "3 are in both parts" in same.stderr
    own = pd.read_csv(tmp_path / "own.csv").assign(patient_id="P00")
    own.to_csv(tmp_path / "own.csv", index=False)
    noted = _run("probe", "--dataset", tmp_path / "own.csv", *shared, "--features", "embedding")
    assert "Note on own: 1 patient of the test part is also in the training part" in noted.stderr


@pytest.mark.slow
def test_a_class_without_training_images_is_said(folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "mine.csv")
    table["filename"] = [str(folder / name) for name in table["filename"]]
    label = next(name for name in ("label", "dx", "true_label") if name in table)
    gone = sorted(table[label].unique())[0]
    table[~((table[label] == gone) & (table["split"] == "train"))].to_csv(tmp_path / "gap.csv", index=False)
    noted = _run(
        *("probe", "--dataset", tmp_path / "gap.csv", "--features", "embedding"),
        *("--output", tmp_path / "results", "--cache-dir", folder / "cache"),
    )
    assert f"Note on gap dev: there is no training image of {gone}" in noted.stderr, noted.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--dataset", "mine.csv", "--k", "0"], 2, "expected a whole number from 1, or all, but got '0'"),
        (["--dataset", "mine.csv", "--k", "many"], 2, "or all"),
        (
            ["--dataset", "mine.csv", "--dataset", "x.csv", "--train", "y.csv"],
            2,
            "--train can be used with a single --dataset only",
        ),
        (["--dataset", "mine.csv", "--train-split", "learn"], 1, "has no split 'learn'"),
        (["--dataset", "mine.csv", "--train-split", "dev"], 1, "9 are in both parts; give the table a column split"),
        (["--dataset", "ddi", "--data-root", "."], 1, "Get it from"),
        (["--dataset", "mine.csv", "--features", "pixels"], 2, "'tokens', 'embedding'"),
    ],
    ids=lambda value: " ".join(value[2:]) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    monkeypatch.chdir(folder)
    ran = _run("probe", *arguments, "--output", "out")
    assert ran.exit_code == code and words in " ".join(ran.stderr.split()), ran.output
    assert not (folder / "out").exists()


def test_classes_of_both_parts_are_the_same(folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "mine.csv")
    table["filename"] = [str(folder / name) for name in table["filename"]]
    table[:18].assign(label=table["label"].replace("nevus", "psoriasis")[:18]).to_csv(
        tmp_path / "learn.csv", index=False
    )
    table[18:].to_csv(tmp_path / "test.csv", index=False)
    files = ["--dataset", tmp_path / "test.csv", "--train", tmp_path / "learn.csv", "--output", tmp_path / "out"]
    ran = _run("probe", *files)
    assert ran.exit_code == 1 and "'nevus' is only in one of the two parts" in ran.stderr


def test_a_set_that_is_not_there_is_named(tmp_path: Path) -> None:
    from zsderm.benchmarks.parts import load_parts

    with pytest.raises(NotFoundError, match="Get it from"):
        load_parts("dermnet", tmp_path)


def test_the_committed_probes_say_what_they_learned_from() -> None:
    committed = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
    for path in committed.glob("*--probe-*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        assert result["data"]["train"]["shared_units"] == 0 and result["inputs"]["probe"]["seed"] == 42
