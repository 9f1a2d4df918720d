"""What the refinement changed, and whether it helped."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zsderm.errors import InputError
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
