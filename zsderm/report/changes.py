"""Which answers the refinement changed, and to what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zsderm.errors import InputError
from zsderm.predictions import Predictions


@dataclass(frozen=True)
class Change:
    """All images whose answer went from one class to another."""

    before: str
    after: str
    count: int


@dataclass(frozen=True)
class Changes:
    """What the refinement did to N answers; the last three counts are of images with a label."""

    lines: tuple[Change, ...]  # the most frequent first
    refined: int  # images with an answer before and after
    to_right: int
    to_wrong: int
    wrong_still: int  # wrong before, and after

    @property
    def count(self) -> int:
        """How many answers changed."""
        return sum(line.count for line in self.lines)


def labels_before(predictions: Predictions) -> Sequence[str | None]:
    """The N labels before the refinement, None where nothing was refined.

    Raises:
        InputError: not one for each image.
    """
    given = predictions.unrefined_labels
    if given is None:
        return [None] * len(predictions)
    if len(given) != len(predictions):
        raise InputError(f"expected `unrefined_labels` for {len(predictions)} images, but got {len(given)}")
    return given


def changes(predictions: Predictions, true: NDArray[np.int_]) -> Changes | None:
    """What changed; None where nothing was refined.

    Args:
        predictions: for N images.
        true: (N,) int, the true classes, negative where unknown.
    """
    truths = [predictions.classes[index] if index >= 0 else "" for index in true.tolist()]
    rows = zip(labels_before(predictions), predictions.labels_by_image, truths, strict=True)
    refined = [(before, after, truth) for before, after, truth in rows if before and after]
    if not refined:
        return None
    moved = [row for row in refined if row[0] != row[1]]
    counted = Counter((before, after) for before, after, _ in moved)
    return Changes(
        lines=tuple(Change(before, after, count) for (before, after), count in counted.most_common()),
        refined=len(refined),
        to_right=sum(after == truth for _, after, truth in moved),
        to_wrong=sum(before == truth for before, _, truth in moved),
        wrong_still=sum(truth not in ("", before, after) for before, after, truth in moved),
    )
