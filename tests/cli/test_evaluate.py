"""Tables of predictions and labels, matched by image, whatever form they come in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from zsderm import metrics
from zsderm.cli import main

CLASSES = ["melanoma", "nevus", "wart"]


@pytest.fixture
def predictions() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    table = rng.dirichlet(np.ones(3), 8)
    frame = pd.DataFrame({"image": [f"photos/{index}.jpg" for index in range(8)]})
    frame["label"] = [CLASSES[index] for index in table.argmax(axis=1)]
    for index in range(3):
        frame[f"probability_class_{index}"] = table[:, index]
    return frame


@pytest.fixture
def labels() -> pd.DataFrame:
    return pd.DataFrame({"image": [f"{index}.jpg" for index in range(8)], "true_label": [0, 1, 1, 2, 1, 0, 1, 1]})


def _run(folder: Path, predictions: pd.DataFrame, labels: pd.DataFrame | None, *more: str) -> Result:
    predictions.to_csv(folder / "predictions.csv", index=False)
    arguments = ["--predictions", str(folder / "predictions.csv"), "--classes", ", ".join(CLASSES), *more]
    if labels is not None:
        labels.to_csv(folder / "labels.csv", index=False)
        arguments += ["--labels", str(folder / "labels.csv")]
    return CliRunner().invoke(main, ["evaluate", *arguments])


def _expected(predictions: pd.DataFrame, true: list[int]) -> metrics.Metrics:
    return metrics.evaluate(true, predictions.filter(like="probability_class_").to_numpy())


def test_the_figures_are_those_of_the_library(tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame) -> None:
    expected = _expected(predictions, labels["true_label"].tolist())
    assert _run(tmp_path, predictions, labels).stdout == expected.to_markdown() + "\n"
    assert json.loads(_run(tmp_path, predictions, labels, "--json").stdout) == pytest.approx(expected.to_dict())


def test_labels_may_be_names_in_any_order(tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame) -> None:
    named = pd.DataFrame({"filename": labels["image"], "diagnosis": [CLASSES[i].upper() for i in labels["true_label"]]})
    assert _run(tmp_path, predictions, named[::-1]).stdout == _run(tmp_path, predictions, labels).stdout


def test_labels_may_stand_in_the_table_of_predictions(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    own = predictions.assign(true_label=labels["true_label"])
    assert _run(tmp_path, own, None).stdout == _run(tmp_path, predictions, labels).stdout


def test_labels_without_image_names_are_taken_in_order(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    expected = _run(tmp_path, predictions, labels).stdout
    assert _run(tmp_path, predictions, labels[["true_label"]]).stdout == expected
    assert _run(tmp_path, predictions.drop(columns="image"), labels[["true_label"]]).stdout == expected


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_other_formats_give_the_same(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame, suffix: str
) -> None:
    expected = _run(tmp_path, predictions, labels).stdout
    path = tmp_path / f"predictions.{suffix}"
    predictions.to_json(
        path, orient="records", lines=True, double_precision=15
    ) if suffix == "jsonl" else predictions.to_parquet(path)
    arguments = ["--predictions", str(path), "--labels", str(tmp_path / "labels.csv"), "--classes", ", ".join(CLASSES)]
    assert CliRunner().invoke(main, ["evaluate", *arguments]).stdout == expected


def test_images_without_a_label_are_left_out_and_counted(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    done = _run(tmp_path, predictions, labels[:6])
    assert done.stdout == _expected(predictions[:6], labels["true_label"][:6].tolist()).to_markdown() + "\n"
    assert "2 of 8 images have no label" in done.stderr


def test_an_image_that_failed_is_counted_apart(tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame) -> None:
    predictions.loc[3, ["label", *predictions.filter(like="probability").columns]] = [None, np.nan, np.nan, np.nan]
    shown = json.loads(_run(tmp_path, predictions, labels, "--json").stdout)
    assert (shown["n"], shown["unclassified"]) == (7, 1)


def test_predicted_names_alone_give_what_needs_no_probability(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    shown = json.loads(_run(tmp_path, predictions[["image", "label"]], labels, "--json").stdout)
    expected = _expected(predictions, labels["true_label"].tolist())
    assert (shown["accuracy"], shown["macro_f1"]) == pytest.approx((expected.accuracy, expected.macro_f1))
    assert shown["macro_auroc"] is None


def _without(labels: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, pd.DataFrame, str]]:
    twice = pd.concat([labels, labels[:1]])
    stranger = labels.replace({"true_label": {0: "melanma"}}).astype(str)
    return {
        "no label column": (
            predictions,
            labels.rename(columns={"true_label": "truth"}),
            "expected a column 'true_label'",
        ),
        "a label that is no class": (predictions, stranger, "Did you mean 'melanoma'?"),
        "an index out of range": (predictions, labels.replace({"true_label": {2: 3}}), "label '3'"),
        "one name for two images": (predictions, twice, "one name stands for several"),
        "labels of other images": (predictions, labels.assign(image="x" + labels["image"]), "names none of them"),
        "fewer probabilities": (predictions.drop(columns="probability_class_2"), labels, "expected 3 columns"),
        "rows that do not pair": (predictions, labels[["true_label"]][:5], "it has 5 rows"),
    }


@pytest.mark.parametrize(
    "case", _without(pd.DataFrame({"image": ["a"], "true_label": [0]}), pd.DataFrame({"probability_class_2": [0]}))
)
def test_a_mistake_is_one_sentence(tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame, case: str) -> None:
    wrong_predictions, wrong_labels, words = _without(labels, predictions)[case]
    done = _run(tmp_path, wrong_predictions, wrong_labels)
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr.startswith("Error: ") and words in done.stderr


def test_a_file_that_is_no_table_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "predictions.parquet").write_bytes(b"nothing")
    done = CliRunner().invoke(
        main, ["evaluate", "--predictions", str(tmp_path / "predictions.parquet"), "--classes", "a, b"]
    )
    assert done.exit_code == 1 and "cannot read it" in done.stderr
