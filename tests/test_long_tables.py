"""Long tables of predictions: one row for each image and class, and back again."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm import Predictions
from zsderm.errors import InputError, SettingsError
from zsderm.image_table import ImageTable
from zsderm.long_tables import as_wide, is_long
from zsderm.predictions import Evidence

NAN = math.nan
SIGN = Evidence("brown", 0.4, "colour", "zsderm")


@pytest.fixture
def answers() -> Predictions:
    return Predictions(
        images=("a.jpg", "b.jpg", "c.jpg"),
        classes=("nevus", "melanoma", "=wart; plane"),
        probabilities=torch.tensor([[0.2, 0.7, 0.1], [NAN] * 3, [0.4, 0.2, 0.4]]),
        method="knowledge",
        prior="auto",
        requested_method="kpl",
        evidence=((SIGN,), (), (SIGN,)),
        errors={"b.jpg": "the file is empty"},
        sets=torch.tensor([[False, True, False], [False] * 3, [True, False, True]]),
        familiarity=torch.tensor([0.3, NAN, 0.1]),
    )


def test_a_long_table_has_a_row_for_each_image_and_class(answers: Predictions) -> None:
    frame = answers.to_frame(layout="long")
    assert list(frame) == [
        "image", "class", "rank", "probability", "in_prediction_set", "familiarity", "method", "evidence", "error",
    ]  # fmt: skip
    assert frame["image"].tolist() == np.repeat(answers.images, 3).tolist()
    assert frame["class"].tolist() == list(answers.classes) * 3
    assert frame["rank"].tolist()[:3] == [2, 1, 3] and frame["rank"][3:6].isna().all()
    assert frame["rank"].tolist()[6:] == [1, 3, 2]  # equal ones in the order of the classes
    np.testing.assert_array_equal(frame["probability"].to_numpy(), answers.probabilities.flatten().numpy())
    assert frame["evidence"].tolist() == ["", "brown", "", "", "", "", "brown", "", ""]
    assert frame["error"].tolist() == [""] * 3 + ["the file is empty"] * 3 + [""] * 3
    with pytest.raises(SettingsError, match="one of wide, long, but got 'tall'"):
        answers.to_frame(layout="tall")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_long_file_reads_as_the_wide_one(answers: Predictions, tmp_path: Path, suffix: str) -> None:
    tables = []
    for layout in ("wide", "long"):
        answers.save(tmp_path / f"{layout}{suffix}", layout=layout)
        tables.append(ImageTable.read(tmp_path / f"{layout}{suffix}"))
    assert [is_long(table) for table in tables] == [False, True]
    wide, again = (as_wide(table) for table in tables)
    assert wide is tables[0] and again.names == list(answers.images)
    for column in (*answers.probability_columns, "familiarity", "method", "error"):
        assert again.column(column) == wide.column(column), column
    assert "rank" not in again.frame and "evidence" not in again.frame


def test_two_rows_of_one_image_and_class_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    for rows, words in (("a,x,1\na,x,0\n", "'a' has 'x' twice"), ("a,x,1\na,,0\n", "'a' has a row without a class")):
        path.write_text(f"image,class,probability\n{rows}")
        with pytest.raises(InputError, match=words):
            as_wide(ImageTable.read(path))


def test_a_table_with_one_row_for_each_image_is_not_long(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,class,probability\na,x,1\nb,y,1\n")
    assert not is_long(ImageTable.read(tmp_path / "t.csv"))
