"""Which column is the probability of which class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zsderm.cli.probability_columns import class_probabilities
from zsderm.errors import InputError
from zsderm.image_table import ImageTable

CLASSES = ("nevus", "melanoma", "basal cell carcinoma")
ROWS = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]])
ONE_HOT = {name: ["1", "0"] for name in CLASSES}


def _table(columns: dict[str, list[str]]) -> ImageTable:
    return ImageTable.of(Path("p.csv"), pd.DataFrame({"image": ["a.jpg", "b.jpg"], **columns}))


def _named(start: str, classes: tuple[str, ...] = CLASSES) -> dict[str, list[str]]:
    return {f"{start}{name}": [str(value) for value in column] for name, column in zip(classes, ROWS.T, strict=True)}


@pytest.mark.parametrize("start", ["probability: ", "Probability:", "", "prob_", "PROB ", "probability_", "prob-"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_columns_say_of_which_class_they_are_in_any_order(start: str, order: tuple[int, ...]) -> None:
    classes = [CLASSES[index] for index in order]
    found = class_probabilities(_table(_named(start)), classes)
    assert found is not None and found.tolist() == ROWS[:, order].tolist()


@pytest.mark.parametrize("start", ["probability: ", "prob_", "probability_", "probability_class_"])
@pytest.mark.parametrize("first", [True, False])
def test_two_columns_for_one_class_are_refused(start: str, first: bool) -> None:
    own = _named(start, ("0", "1", "2") if start.endswith("class_") else CLASSES)
    columns = {**own, **ONE_HOT} if first else {**ONE_HOT, **own}
    with pytest.raises(InputError, match=r"expected one column of probabilities of 'nevus' in .*, but it could be"):
        class_probabilities(_table(columns), CLASSES)


def test_classes_may_be_called_like_columns_of_zsderm() -> None:
    classes = ("2", "error", "label")
    beside = {
        "label": ["2", "error"],
        "probability": ["0.7", "0.6"],
        "probability_2": ["0.2", "0.3"],
        "error": ["", ""],
    }
    found = class_probabilities(_table({**beside, **_named("probability: ", classes)}), classes[::-1])
    assert found is not None and found.tolist() == ROWS[:, ::-1].tolist()
    assert (
        class_probabilities(_table({"label": ["label", "method"], "method": ["x", "x"]}), ("label", "method")) is None
    )


def test_numbers_stand_for_the_classes_in_their_order_and_are_held_against_the_label() -> None:
    table = _table({"label": ["nevus", "melanoma"], **_named("probability_class_", ("0", "1", "2"))})
    found = class_probabilities(table, CLASSES)
    assert found is not None and found.tolist() == ROWS.tolist()
    with pytest.raises(InputError, match=r"'a.jpg' has 'nevus' there .* on 'melanoma' \(2 of 2 rows\); give --classes"):
        class_probabilities(table, ("melanoma", "nevus", "basal cell carcinoma"))
    mapped = class_probabilities(table, ("melanoma", "nevus", "basal cell carcinoma"), CLASSES)
    assert mapped is not None and mapped.tolist() == ROWS[:, [1, 0, 2]].tolist()


@pytest.mark.parametrize("start", ["probability: ", "prob_"])
def test_a_label_that_is_not_the_most_probable_class_is_refused(start: str) -> None:
    with pytest.raises(InputError, match=r"'b.jpg' has 'nevus' there .* \(1 of 2 rows\).* rename the column to true"):
        class_probabilities(_table({"Label": ["nevus", "nevus"], **_named(start)}), CLASSES)


def test_equal_probabilities_contradict_neither_label() -> None:
    half = {f"probability: {name}": ["0.5", "0.5"] for name in CLASSES[:2]}
    found = class_probabilities(_table({"label": ["nevus", "melanoma"], **half}), CLASSES[:2])
    assert found is not None and (found == 0.5).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"probability: wart": ["0", "0"]}, "probabilities of 'wart', which is none of the 3 classes"),
        ({"probability: nevus": ["", "0.1"]}, "'a.jpg' has none of 'nevus'"),
        ({"probability: nevus": ["high", "0.1"]}, "a cell is 'high'"),
        ({"probability: nevus": ["70", "10"]}, "numbers from 0 that sum to 1"),
    ],
)
def test_probabilities_that_do_not_fit_are_refused(change: dict[str, list[str]], words: str) -> None:
    with pytest.raises(InputError, match=words):
        class_probabilities(_table({**_named("probability: "), **change}), CLASSES)


def test_a_row_without_any_probability_is_an_image_without_a_prediction() -> None:
    found = class_probabilities(_table({name: [cells[0], ""] for name, cells in _named("").items()}), CLASSES)
    assert found is not None and np.isnan(found[1]).all() and found[0].tolist() == ROWS[0].tolist()
