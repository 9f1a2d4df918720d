"""Tables of predictions and labels, matched by image, whatever form they come in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result

from zsderm import Predictions, metrics
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


def test_a_nodular_melanoma_does_not_count_for_a_melanoma_in_situ(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,label\na.jpg,nodular melanoma\nb.jpg,nevus\n")
    (tmp_path / "predictions.csv").write_text(
        "image,label,probability,method\na.jpg,melanoma in situ,0.9,class-name\nb.jpg,nevus,0.9,class-name\n"
    )
    files = [part for name in ("predictions", "labels") for part in (f"--{name}", str(tmp_path / f"{name}.csv"))]
    done = CliRunner().invoke(main, ["evaluate", *files, "--classes", "melanoma in situ, nevus"])
    assert done.exit_code == 1 and "has the label 'nodular melanoma', which is none of the 2 classes" in done.stderr


def test_labels_may_stand_in_the_table_of_predictions(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    own = predictions.assign(true_label=labels["true_label"])
    assert _run(tmp_path, own, None).stdout == _run(tmp_path, predictions, labels).stdout


def test_labels_without_image_names_are_taken_in_order_if_that_is_asked(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    expected, unnamed = _run(tmp_path, predictions, labels).stdout, labels[["true_label"]]
    refused = _run(tmp_path, predictions, unnamed)
    assert refused.exit_code == 1 and "--image-column none" in refused.stderr and refused.stdout == ""
    assert _run(tmp_path, predictions, unnamed, "--image-column", "none").stdout == expected
    assert _run(tmp_path, predictions.drop(columns="image"), unnamed).stdout == expected


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
            "expected a column of true classes",
        ),
        "a label that is no class": (predictions, stranger, "Did you mean 'melanoma'? Leave the cell empty where"),
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


@pytest.fixture
def other(predictions: pd.DataFrame) -> pd.DataFrame:
    """The same answers as another tool writes them: one column a class, by name, in another order and rounded."""
    columns = {f"probability_class_{index}": name for index, name in enumerate(CLASSES)}
    table = predictions.rename(columns=columns)[["image", "wart", "melanoma", "nevus"]].round(4)
    return table.rename(columns={"image": "filename", "melanoma": "Prob_Melanoma"})


def test_columns_named_after_the_classes_are_probabilities(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame, other: pd.DataFrame
) -> None:
    shown = json.loads(_run(tmp_path, other, labels, "--json").stdout)
    expected = _expected(predictions, labels["true_label"].tolist()).to_dict()
    assert shown == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "order",
    [
        '["wart", "nevus", "melanoma"]',
        '{"2": "melanoma", "0": "wart", "1": "nevus"}',
        '{"wart": 0, "melanoma": 2, "nevus": 1}',
    ],
)
def test_a_class_map_says_what_numbered_columns_stand_for(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame, order: str
) -> None:
    (tmp_path / "map.json").write_text(order)
    numbers = {f"probability_class_{i}": f"probability_class_{j}" for i, j in enumerate((2, 1, 0))}
    done = _run(tmp_path, predictions.rename(columns=numbers), labels, "--class-map", str(tmp_path / "map.json"))
    assert done.stdout == _expected(predictions, labels["true_label"].tolist()).to_markdown() + "\n"


def test_classes_may_be_a_json_map_too(tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame) -> None:
    expected = _run(tmp_path, predictions, labels).stdout
    (tmp_path / "classes.json").write_text(json.dumps(dict(enumerate(CLASSES))))
    files = ["--predictions", str(tmp_path / "predictions.csv"), "--labels", str(tmp_path / "labels.csv")]
    done = CliRunner().invoke(main, ["evaluate", *files, "--classes", str(tmp_path / "classes.json")])
    assert done.stdout == expected


@pytest.mark.parametrize("content", ['{"0": "a", "2": "b"}', '{"a": 0, "b": 0}', '["a", "a"]', "3", "{"])
def test_a_broken_class_map_is_one_sentence(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame, content: str
) -> None:
    (tmp_path / "map.json").write_text(content)
    done = _run(tmp_path, predictions, labels, "--class-map", str(tmp_path / "map.json"))
    assert done.exit_code == 1 and "map.json" in done.stderr and "expected" in done.stderr


def test_logits_are_refused_and_so_is_a_class_without_a_column(
    tmp_path: Path, labels: pd.DataFrame, other: pd.DataFrame
) -> None:
    logits = other.assign(wart=-2.5)
    assert "put logits through a softmax" in _run(tmp_path, logits, labels).stderr
    assert "there is none for: nevus" in _run(tmp_path, other.drop(columns="nevus"), labels).stderr


def test_several_predictions_are_compared_with_the_first_on_the_same_images(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame, other: pd.DataFrame
) -> None:
    better = other.copy()
    better[["Prob_Melanoma", "nevus", "wart"]] = np.eye(3)[labels["true_label"]]
    better[::-1].to_csv(tmp_path / "better.csv", index=False)
    shown = json.loads(
        _run(tmp_path, predictions, labels, "--json", "--predictions", str(tmp_path / "better.csv")).stdout
    )
    first, second = list(shown["predictions"])
    assert (shown["against"], first, second) == ("predictions", "predictions", "better")
    assert shown["predictions"][second]["accuracy"] == 1
    rows = predictions.filter(like="probability_class_").to_numpy()
    expected = metrics.compare(labels["true_label"], rows, np.eye(3)[labels["true_label"]])
    assert shown["comparisons"][second] == expected.to_dict()
    text = _run(tmp_path, predictions, labels, "--predictions", str(tmp_path / "better.csv")).stdout
    assert f"{expected.accuracy.value:+.3f} (" in text and "| balanced accuracy |" in text


def test_groups_and_patients_come_from_the_labels(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    table = labels.assign(patient_id=[7, 7, 8, 8, 9, 9, None, None], age=[20, 30, 40, 50, 60, 70, 80, None])
    done = _run(tmp_path, predictions, table, "--json", "--cluster", "patient_id", "--groups", "age")
    shown = json.loads(done.stdout)
    assert (shown["n"], shown["units"]) == (8, 5)
    assert {name: group["n"] for name, group in shown["groups"]["age"]["groups"].items()} == {
        "0–29": 1,
        "30–49": 2,
        "50–69": 2,
        "70+": 2,
    }
    text = _run(tmp_path, predictions, table, "--groups", "age").stdout
    assert "| age " in text and "No gap: fewer than two groups have 20 images." in text
    wrong = _run(tmp_path, predictions, table, "--groups", "fitzpatrick")
    assert wrong.exit_code == 1 and "expected a column 'fitzpatrick'" in wrong.stderr


@pytest.mark.parametrize(
    ("column", "asked", "units", "told"),
    [
        ("patient_id", (), 4, "Intervals draw patient_id of"),
        ("Lesion ID", (), 4, "--cluster none draws images"),
        ("patient_id", ("--cluster", "none"), 8, ""),
        ("patient_id", ("--cluster", "patient_id"), 4, ""),
        ("ward", (), 8, ""),
    ],
)
def test_intervals_draw_patients_where_the_labels_name_them(
    tmp_path: Path,
    predictions: pd.DataFrame,
    labels: pd.DataFrame,
    column: str,
    asked: tuple[str, ...],
    units: int,
    told: str,
) -> None:
    done = _run(tmp_path, predictions, labels.assign(**{column: list("aabbccdd")}), "--json", *asked)
    assert json.loads(done.stdout)["units"] == units
    assert told in done.stderr and ("Intervals draw" in done.stderr) is bool(told)


def test_a_column_of_patients_that_says_nothing_is_none(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    done = _run(tmp_path, predictions, labels.assign(patient_id=["", "unknown"] * 4), "--json")
    assert json.loads(done.stdout)["units"] == 8 and "Intervals" not in done.stderr


def test_lesions_do_not_split_the_patients_that_are_asked_for(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    table = labels.assign(true_label=[0, 0, 0, 0, 1, 1, 1, 1], person=list("aaaabbbb"), lesion_id=list("11223344"))
    shown = json.loads(_run(tmp_path, predictions, table, "--group-by", "person", "--json").stdout)
    assert (shown["units"], shown["per_group"]["n"], shown["per_group"]["units"]) == (4, 2, 2)


def test_predictions_in_batches_and_any_order_give_identical_figures(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    expected = _run(tmp_path, predictions, labels, "--json").stdout
    for batch in (1, 7, 64):
        shuffled = predictions.sample(frac=1, random_state=batch)
        parts = [shuffled[start : start + batch] for start in range(0, 8, batch)]
        assert _run(tmp_path, pd.concat(parts), labels, "--json").stdout == expected


def test_published_figures_are_in_italics_with_their_warning(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    text = _run(tmp_path, predictions, labels, "--published", "pad").stdout
    assert "*0.586*" in text and "other images" in text
    skincap = _run(tmp_path, predictions, labels, "--published", "skincap").stdout
    assert "recall@10" in skincap and "83.6 % of SkinCAP has a near copy in Derm1M" in skincap
    assert "Nothing published on 'mine'" in _run(tmp_path, predictions, labels, "--published", "mine").stdout


def test_a_class_map_for_a_file_that_is_not_given_is_refused(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    done = _run(tmp_path, predictions, labels, "--class-map", "theirs.csv=a, b, c")
    assert done.exit_code == 1 and "not among the --predictions" in done.stderr


def test_one_file_twice_is_refused(tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame) -> None:
    done = _run(tmp_path, predictions, labels, "--predictions", str(tmp_path / "predictions.csv"))
    assert done.exit_code == 1 and "given twice" in done.stderr


def test_labels_are_never_paired_by_row_where_a_column_names_images(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    expected = _run(tmp_path, predictions, labels).stdout
    for name in ("image_name", "Image", "isic_id"):
        assert _run(tmp_path, predictions, labels[::-1].rename(columns={"image": name})).stdout == expected
    odd = labels[::-1].rename(columns={"image": "photo"})
    refused = _run(tmp_path, predictions, odd)
    assert refused.exit_code == 1 and "--image-column" in refused.stderr and "photo, true_label" in refused.stderr
    assert _run(tmp_path, predictions, odd, "--image-column", "photo").stdout == expected


def test_names_and_ids_that_look_like_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("image,01,02,03\na.jpg,.9,.1,0\nb.jpg,.1,.9,0\nc.jpg,0,.1,.9\n")
    (tmp_path / "l.csv").write_text("image,true_label,patient\na.jpg,01,01\nb.jpg,02,001\nc.jpg,03,NA\n")
    files = ["--predictions", str(tmp_path / "p.csv"), "--labels", str(tmp_path / "l.csv"), "--cluster", "patient"]
    done = CliRunner().invoke(main, ["evaluate", *files, "--classes", "01, 02, 03", "--json"])
    shown = json.loads(done.stdout)
    assert (shown["accuracy"], shown["units"]) == (1, 3)
    assert "1 of 3 images has no patient" in done.stderr


def test_decimal_commas_are_read_and_a_word_among_probabilities_is_refused(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    expected = _run(tmp_path, predictions, labels).stdout
    shares = predictions.filter(like="probability_class_").columns
    commas = predictions.assign(**{name: predictions[name].astype(str).str.replace(".", ",") for name in shares})
    assert _run(tmp_path, commas, labels).stdout == expected
    commas.loc[2, shares[1]] = "high"
    wrong = _run(tmp_path, commas, labels)
    assert wrong.exit_code == 1 and "'probability_class_1'" in wrong.stderr and "'high'" in wrong.stderr


def test_age_groups_are_names_and_ages_are_put_into_bands(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    ages = ["20", "45", "85+", "-1", "999", "unknown", "70", "30"]
    table = labels.assign(
        age_group=["20-39", "40-59"] * 4, agency=range(1, 9), Age=ages, age_id=["1", "1", "2", "3"] * 2
    )
    asked = ("--groups", "age_group", "--groups", "agency", "--groups", "Age", "--cluster", "age_id")
    shown = json.loads(_run(tmp_path, predictions, table, *asked, "--json").stdout)
    groups = {column: set(found["groups"]) for column, found in shown["groups"].items()}
    assert groups["age_group"] == {"20-39", "40-59"} and groups["agency"] == set("12345678")
    assert groups["Age"] == {"0–29", "30–49", "70+", "85+"} and shown["groups"]["Age"]["of_unknown"]["n"] == 3
    assert shown["units"] == 3
    text = _run(tmp_path, predictions, table, *asked).stdout
    assert "| *not known* | 3 |" in text


def test_a_group_of_which_no_image_was_classified_has_a_row(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    predictions.loc[[6, 7], predictions.columns[1:]] = None
    text = _run(tmp_path, predictions, labels.assign(site=["a"] * 6 + ["b"] * 2), "--groups", "site").stdout
    assert "| b | 0 of 2 with a prediction | – | – |" in text


def test_names_alone_have_no_figures_of_probabilities_in_groups_either(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    table = labels.assign(site=["a", "b"] * 4)
    shown = json.loads(_run(tmp_path, predictions[["image", "label"]], table, "--groups", "site", "--json").stdout)
    for group in shown["groups"]["site"]["groups"].values():
        assert group["n"] == 4
        assert {group[name] for name in ("top3_accuracy", "top5_accuracy", "macro_auroc", "calibration_error")} == {
            None
        }


# which class a probability is of


@pytest.fixture
def answers(predictions: pd.DataFrame) -> Predictions:
    rows = torch.from_numpy(predictions.filter(like="probability_class_").to_numpy())
    nothing: list[tuple[()]] = [()] * 8
    return Predictions(tuple(predictions["image"]), tuple(CLASSES), rows, "knowledge", "auto", "knowledge", nothing)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_predictions_of_zsderm_are_read_right_whatever_the_order_of_the_classes(
    tmp_path: Path, answers: Predictions, predictions: pd.DataFrame, labels: pd.DataFrame, suffix: str
) -> None:
    expected = _run(tmp_path, predictions, labels).stdout
    answers.save(tmp_path / f"own.{suffix}")
    files = ["--predictions", str(tmp_path / f"own.{suffix}"), "--labels", str(tmp_path / "named.csv")]
    labels.assign(true_label=[CLASSES[label] for label in labels["true_label"]]).to_csv(tmp_path / "named.csv")
    for order in ("melanoma, nevus, wart", "wart, melanoma, nevus"):
        done = CliRunner().invoke(main, ["evaluate", *files, "--classes", order, "--json"])
        assert json.loads(done.stdout)["accuracy"] == _expected(predictions, labels["true_label"].tolist()).accuracy
        table = CliRunner().invoke(main, ["evaluate", *files, "--classes", order]).stdout
        assert table.splitlines()[3] == expected.splitlines()[3]


def test_numbered_predictions_in_another_order_are_refused(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    done = _run(tmp_path, predictions, labels, "--classes", "wart, melanoma, nevus")
    assert done.exit_code == 1 and "give --classes in the order in which the predictions were made" in done.stderr


def test_without_labels_the_message_asks_for_them(tmp_path: Path, predictions: pd.DataFrame) -> None:
    done = _run(tmp_path, predictions, None)
    assert done.exit_code == 1 and "give --labels, or predictions with a column true_label" in done.stderr


def test_a_file_of_labels_without_rows_says_so(tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame) -> None:
    done = _run(tmp_path, predictions, labels[:0])
    assert done.exit_code == 1 and "has none below its header" in done.stderr


# one answer per lesion or patient

LESIONS = ["01", "01", "1", "1", "unknown", "x", "x", "1"]  # of eight photographs; "01" and "1" are two lesions
SAME = [0, 0, 1, 1, 1, 2, 2, 1]  # labels that agree within each lesion


def _by_hand(predictions: pd.DataFrame) -> np.ndarray:
    """The mean of the log probabilities, group by group and class by class: 01, 1, the unknown one, x."""
    rows = predictions.filter(like="probability_class_").to_numpy()
    found = []
    for members in ([0, 1], [2, 3, 7], [4], [5, 6]):
        product = np.array([np.prod([rows[m, c] for m in members]) ** (1 / len(members)) for c in range(3)])
        found.append(product / product.sum())
    return np.stack(found)


def test_without_a_table_of_groups_they_are_answered_by_the_mean_of_the_log_probabilities(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    table = labels.assign(true_label=SAME, lesion=LESIONS)
    done = _run(tmp_path, predictions, table, "--group-by", "lesion", "--json")
    shown = json.loads(done.stdout)
    expected = metrics.evaluate([0, 1, 1, 2], _by_hand(predictions)).to_dict()
    found = shown["per_group"]
    assert (found.pop("by"), found.pop("answers")) == ("lesion", "mean of log probabilities")
    assert found == pytest.approx(expected)
    assert {name: shown[name] for name in ("n", "accuracy")} == {
        "n": 8,
        "accuracy": _expected(predictions, SAME).accuracy,
    }
    assert "4 groups by lesion of 8 images" in done.stderr and "1 of them has no lesion" in done.stderr
    assert "no predictions-groups.csv beside" in done.stderr
    text = _run(tmp_path, predictions, table, "--group-by", "lesion").stdout
    assert "One answer for each lesion:" in text and "| groups | 4 |" in text


def test_a_photograph_that_could_not_be_read_takes_no_part_and_a_group_of_such_is_counted_apart(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    predictions.loc[[1, 5, 6], ["label", *predictions.filter(like="probability").columns]] = [None, *[np.nan] * 3]
    table = labels.assign(true_label=SAME, lesion=LESIONS)
    shown = json.loads(_run(tmp_path, predictions, table, "--group-by", "lesion", "--json").stdout)["per_group"]
    rows = _by_hand(predictions)
    rows[0] = predictions.filter(like="probability_class_").to_numpy()[0]
    rows[3] = np.nan
    expected = metrics.evaluate([0, 1, 1, 2], rows).to_dict()
    assert (shown["n"], shown["unclassified"]) == (3, 1)
    assert shown["macro_auroc"] == pytest.approx(expected["macro_auroc"])


def test_the_table_of_groups_beside_the_predictions_answers(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    table = labels.assign(true_label=SAME, lesion=LESIONS)
    groups = pd.DataFrame({"group": ["x", "01", "1", "photos/4.jpg"], "images": [2, 2, 3, 1]})
    answers = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1]])
    for index in range(3):
        groups[f"probability_class_{index}"] = answers[:, index]
    groups.to_csv(tmp_path / "predictions-groups.csv", index=False)
    done = _run(tmp_path, predictions, table, "--group-by", "lesion", "--json")
    shown = json.loads(done.stdout)["per_group"]
    expected = metrics.evaluate([2, 0, 1, 1], answers).to_dict()
    assert shown["answers"] == "predictions-groups.csv" and (shown["n"], shown["accuracy"]) == (4, 0.75)
    assert shown["calibration_error"] == pytest.approx(expected["calibration_error"])
    assert "are answered by predictions-groups.csv" in done.stderr
    for wrong in (groups[1:], groups.assign(images=1)):
        wrong.to_csv(tmp_path / "predictions-groups.csv", index=False)
        refused = _run(tmp_path, predictions, table, "--group-by", "lesion")
        assert refused.exit_code == 1 and "expected the answers for these groups" in refused.stderr


def test_photographs_of_one_group_with_several_labels_are_listed(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    done = _run(tmp_path, predictions, labels.assign(lesion=LESIONS), "--group-by", "lesion")
    assert done.exit_code == 1 and "3 have several: 01 (melanoma, nevus); 1 (nevus, wart); x (" in done.stderr


def test_groups_may_be_folders_draw_patients_and_leave_out_those_without_a_label(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    predictions["image"] = [f"photos/{index // 2}/{index}.jpg" for index in range(8)]
    patients = ["p", "", "p", "p", "q", "q", "r", "r"]
    table = labels.assign(true_label=[0, 0, 1, 1, 1, 1, 2, None], patient=patients)[:6]
    done = _run(tmp_path, predictions, table, "--group-by", "folder", "--cluster", "patient", "--json")
    shown = json.loads(done.stdout)
    assert (shown["n"], shown["per_group"]["n"], shown["per_group"]["units"]) == (6, 3, 2)
    assert "1 group has no label" in done.stderr


def test_several_predictions_are_compared_per_group_too(
    tmp_path: Path, predictions: pd.DataFrame, labels: pd.DataFrame
) -> None:
    table = labels.assign(true_label=SAME, lesion=LESIONS)
    better = predictions.drop(columns="label").assign(
        **{f"probability_class_{c}": np.eye(3)[SAME][:, c] for c in range(3)}
    )
    better.to_csv(tmp_path / "better.csv", index=False)
    more = ("--predictions", str(tmp_path / "better.csv"), "--group-by", "lesion")
    shown = json.loads(_run(tmp_path, predictions, table, *more, "--json").stdout)
    expected = metrics.compare([0, 1, 1, 2], _by_hand(predictions), np.eye(3)[[0, 1, 1, 2]])
    assert shown["comparisons_per_group"]["better"]["accuracy"] == pytest.approx(expected.to_dict()["accuracy"])
    assert shown["predictions"]["better"]["per_group"]["accuracy"] == 1
    assert "| against predictions | groups |" in _run(tmp_path, predictions, table, *more).stdout


@pytest.mark.parametrize("start", ["probability: ", "probability_class_", ""])
def test_predictions_in_the_place_of_labels_are_refused(tmp_path: Path, predictions: pd.DataFrame, start: str) -> None:
    """Each of them would be right."""
    names = {f"probability_class_{index}": f"{start}{name}" for index, name in enumerate(CLASSES)}
    mine = predictions if start.endswith("class_") else predictions.rename(columns=names)
    mine.to_csv(tmp_path / "predictions.csv", index=False)
    done = _run(tmp_path, mine, None, "--labels", str(tmp_path / "predictions.csv"))
    assert done.exit_code == 1 and "give --labels, or predictions with a column true_label" in done.stderr
    if start:
        done = _run(tmp_path, mine, mine)
        assert done.exit_code == 1 and "so that its column 'label' is what was predicted" in done.stderr
        told = mine.assign(true_label=CLASSES[0])
        assert _run(tmp_path, mine, told).exit_code == 0
