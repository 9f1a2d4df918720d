"""What the refinement changed, and whether it helped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from zsderm.errors import InputError
from zsderm.narratives.word_answers import WordAnswers
from zsderm.predictions import Predictions
from zsderm.report.changes import Change, changes, labels_before


def _predictions(before: list[str | None] | None) -> Predictions:
    table = torch.tensor([[0.6, 0.3, 0.1]] * 4 + [[0.1, 0.2, 0.7], [torch.nan] * 3])
    images, errors = tuple("123456"), {"6": "torn"}
    return Predictions(images, tuple("abc"), table, "", "", "", ((),) * 6, errors, unrefined_labels=before)


def test_changes_are_counted_by_what_they_were_and_became() -> None:
    found = changes(_predictions(["b", "b", "c", "a", None, "a"]), np.array([0, 1, 1, 0, 2, 0]))
    assert found is not None and found.lines == (Change("b", "a", 2), Change("c", "a", 1))
    assert (found.refined, found.count, found.to_right, found.to_wrong, found.wrong_still) == (4, 3, 1, 1, 1)


@pytest.mark.parametrize("before", [None, [None] * 6])
def test_nothing_is_said_where_nothing_was_refined(before: list[str | None] | None) -> None:
    assert changes(_predictions(before), np.full(6, -1)) is None
    assert list(labels_before(_predictions(before))) == [None] * 6


def test_labels_of_other_images_are_refused() -> None:
    with pytest.raises(InputError, match="`unrefined_labels` for 6 images, but got 1"):
        labels_before(_predictions(["a"]))


def test_beside_narratives_a_change_is_of_the_answer_by_the_photograph_alone() -> None:
    predictions = replace(_predictions(["b", "a", "a", "a", None, "c"]), words=_told())
    assert predictions.labels == ["a", "a", "a", "a", "c", ""]
    assert predictions.labels_by_image == ["b", "a", "c", "a", "c", ""], "two of these were told something"
    assert predictions.changed.tolist() == [False, False, True, False, False, False]
    found = changes(predictions, np.array([0, 0, 2, 0, 2, 0]))
    assert found is not None and found.lines == (Change("a", "c", 1),) and found.to_right == 1


def _told() -> WordAnswers:
    """Of six images a story was told of the first and the third; by the photograph alone these are b and c."""
    by_image = torch.tensor([[0.2, 0.8, 0.0], [1.0, 0, 0], [0.1, 0.2, 0.7], [1.0, 0, 0], [0, 0, 1.0], [torch.nan] * 3])
    stories = ("it itches", "", "it bled", "", "", "")
    return WordAnswers(tuple("abc"), by_image, by_image, stories, ((),) * 6, ((),) * 6, ("",) * 6)
