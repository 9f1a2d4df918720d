"""A grid on real photographs with the bundled encoder: what is written, what is shared, what is not repeated."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from pyarrow.parquet import read_schema

from zsderm import ZeroShotClassifier, load_encoder
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.grid import grid
from zsderm.benchmarks.results import read_result
from zsderm.benchmarks.runner import run_grid
from zsderm.cli import main
from zsderm.errors import SettingsError
from zsderm.metrics import compare, evaluate

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
STEM = "pad-dev--zsderm-mini--class-name"


def test_a_run_has_a_json_file_and_a_table_of_answers_beside_it(results: Path, photo_root: Path) -> None:
    result, rows = read_result(results / f"{STEM}.json"), pd.read_parquet(results / f"{STEM}.parquet")
    probabilities = rows.filter(like="probability: ").to_numpy()
    true = [result["data"]["classes"].index(name) for name in rows["true_label"]]
    found = evaluate(true, probabilities, clusters=rows["patient_id"])
    assert result["metrics"] == pytest.approx(found.to_dict(), abs=1e-6)
    assert (result["metrics"]["n"], result["metrics"]["units"]) == (16, 8)
    assert np.sum(result["confusion"]) == 16 and sum(result["reliability"]["count"]) == 16
    assert set(result["groups"]) == {"skin type", "age", "sex"}
    assert result["data"]["images_of_class"] == [5, 5, 6, 0, 0, 0]
    assert result["manifest"]["encoder"]["name"] == "zsderm-mini"
    assert str(photo_root) not in (results / f"{STEM}.json").read_text()


def test_a_table_of_answers_says_of_which_class_its_columns_are(results: Path) -> None:
    result, table = read_result(results / f"{STEM}.json"), results / f"{STEM}.parquet"
    classes = result["data"]["classes"]
    assert json.loads(read_schema(table).metadata[b"zsderm"])["classes"] == classes
    for order in (classes, classes[::-1]):
        arguments = ["evaluate", "--predictions", str(table), "--classes", ", ".join(order), "--json"]
        figures = json.loads(CliRunner().invoke(main, [*arguments, "--cluster", "patient_id"]).stdout)
        assert figures["macro_f1_low"] == pytest.approx(result["metrics"]["macro_f1_low"], abs=1e-6)
        assert figures["macro_auroc"] == pytest.approx(result["metrics"]["macro_auroc"], abs=1e-6)


def test_the_result_says_which_method_answered_when_it_was_not_the_one_asked_for(results: Path) -> None:
    result = read_result(results / "pad-dev--zsderm-mini--kpl.json")
    assert result["used"]["method"] == "knowledge"  # sixteen photographs are too few to refine


def test_images_are_embedded_once_for_all_methods(results: Path) -> None:
    assert len([path for path in (results / "features").glob("images-*/**/*") if path.is_file()]) == 16


def test_every_run_is_compared_with_the_first_one(results: Path) -> None:
    result = read_result(results / "pad-dev--zsderm-mini--comparison.json")
    assert result["against"] == "class-name" and [row["variant"] for row in result["rows"]] == ["knowledge", "kpl"]
    answers = [
        pd.read_parquet(results / f"pad-dev--zsderm-mini--{method}.parquet") for method in ("class-name", "knowledge")
    ]
    first, second = (table.filter(like="probability: ").to_numpy() for table in answers)
    classes = read_result(results / f"{STEM}.json")["data"]["classes"]
    true = [classes.index(name) for name in answers[0]["true_label"]]
    expected = compare(true, first, second, clusters=answers[0]["patient_id"])
    assert result["rows"][0]["accuracy"] == pytest.approx(expected.to_dict()["accuracy"], abs=1e-6)


def test_a_finished_run_is_not_repeated_unless_it_is_forced_or_its_inputs_change(
    results: Path, photo_root: Path
) -> None:
    told: list[str] = []

    def again(**how: object) -> list[str]:
        told.clear()
        given: dict = {"runs": grid(["zsderm-mini"], ["class-name"]), "cache": results / "features", **how}
        run_grid([load("pad", photo_root)], output=results, tell=told.append, **given)
        return [line for line in told if not line.startswith("Note on PAD dev: ")]

    before = os.stat(results / f"{STEM}.json").st_mtime_ns
    assert again() == [f"{STEM}: there already"]
    assert os.stat(results / f"{STEM}.json").st_mtime_ns == before
    text = (results / f"{STEM}.json").read_text()
    assert "accuracy" in again(force=True)[0]
    assert (results / f"{STEM}.json").read_text() == text  # the same inputs give the same file
    (results / f"{STEM}.json").write_text(text.replace('"images": "', '"images": "other'))
    assert "accuracy" in again()[0]
    (results / f"{STEM}.parquet").unlink()
    assert "accuracy" in again()[0]


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
def test_a_result_does_not_replace_a_file_of_the_user(
    results: Path, photo_root: Path, tmp_path: Path, suffix: str
) -> None:
    theirs = tmp_path / f"{STEM}{suffix}"
    theirs.write_text("mine")
    runs = grid(["zsderm-mini"], ["class-name"])
    with pytest.raises(SettingsError, match="not what zsderm writes there"):
        run_grid([load("pad", photo_root)], runs, tmp_path, cache=results / "features", force=True)
    assert theirs.read_text() == "mine"


def test_the_committed_results_are_what_the_present_code_gives(data_root: Path, tmp_path: Path) -> None:
    runs = grid(["zsderm-mini"], ["class-name", "kpl"])
    files = run_grid([load("pad", data_root)], runs, tmp_path, cache=tmp_path / "features")
    for path in files:
        found, committed = read_result(path), read_result(COMMITTED / path.name)
        changed = f"{path.stem} has changed: docs/benchmarks.md says how the results are made anew"
        assert found["inputs"]["settings"] == committed["inputs"]["settings"], changed
        figures = {name: found["metrics"][name] for name in committed["metrics"]}  # earlier files have fewer
        assert figures == pytest.approx(committed["metrics"], abs=0.01), changed  # one image in 113


def test_two_runs_with_one_name_are_refused(photo_root: Path, tmp_path: Path) -> None:
    dataset = load("pad", photo_root)
    with pytest.raises(SettingsError, match="same file"):
        run_grid([dataset, dataset], grid(["zsderm-mini"], ["class-name"]), tmp_path, cache=tmp_path)


def test_a_prior_that_is_stated_class_by_class_reaches_the_classifier(photo_root: Path, tmp_path: Path) -> None:
    dataset = load("pad", photo_root)
    weights = {name: index + 1.0 for index, name in enumerate(dataset.classes)}
    runs = grid(["zsderm-mini"], ["kpl"], priors=["mine"], wordings=["unseen"])
    (path,) = run_grid([dataset], runs, tmp_path, priors={"mine": weights}, cache=tmp_path / "cache")
    assert path.stem == "pad-dev--zsderm-mini--kpl-prior-mine-unseen-wording"
    assert read_result(path)["inputs"]["prior"] == pytest.approx([(index + 1) / 21 for index in range(6)], abs=1e-6)


def test_photographs_predicted_in_batches_of_1_7_and_64_and_shuffled_give_identical_figures(photo_root: Path) -> None:
    dataset, encoder = load("pad", photo_root), load_encoder("zsderm-mini")
    found = []
    for batch in (1, 7, 64):
        order = np.random.default_rng(batch).permutation(len(dataset))
        classifier = ZeroShotClassifier.from_pretrained(
            encoder, classes=dataset.classes, method="knowledge", batch_size=batch
        )
        answers = classifier.predict([dataset.images[row] for row in order]).probabilities.numpy()
        assert dataset.units is not None
        found.append(evaluate(dataset.labels[order], answers, clusters=dataset.units[order]).to_dict())
    assert found[0] == pytest.approx(found[1], abs=1e-6) and found[0] == pytest.approx(found[2], abs=1e-6)
