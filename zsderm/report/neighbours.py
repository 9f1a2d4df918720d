"""Beside a wrong answer: the rightly answered photographs that are most like it.

Letters: N images, C classes, D embedding width, W wrong and R right answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zsderm.predictions import Predictions

_LEAST = 1e-12  # stands for a probability of 0, so that its logarithm is finite
_AT_ONCE = 1_000  # wrong answers held against all right ones at a time: 40 MB for 5 000 of these


@dataclass(frozen=True)
class Neighbour:
    """A photograph that was rightly answered."""

    place: int  # its number among the images
    label: str
    name: str = ""

    def named(self, names: Sequence[str]) -> Neighbour:
        """The same with its name among those of all images."""
        return replace(self, name=names[self.place])


def nearest_right(
    predictions: Predictions, true: NDArray[np.int_], embeddings: NDArray[np.float32] | None = None
) -> Mapping[int, Sequence[Neighbour]]:
    """For each wrong answer the most similar right one of the class that was answered, and of the one that is true.

    Without embeddings two photographs are alike if they stand alike to all classes: by the distance of the logarithms
    of their probabilities, each less their mean, which are the scores up to a factor.

    Args:
        predictions: for N images.
        true: (N,) int, the true classes, negative where unknown.
        embeddings: (N, D) rows, NaN or anything where an image failed.

    Returns:
        By the number of the image up to two neighbours; fewer where a class has no right answer.
    """
    table, answered = predictions.probabilities.numpy(), predictions.ok.numpy()
    answers = np.where(answered, np.nan_to_num(table, nan=-1.0).argmax(axis=1), -1)  # (N,)
    known = answered & (true >= 0)
    rows = _scores(table) if embeddings is None else np.asarray(embeddings, np.float32)  # (N, C or D)
    rightly = known & (answers == true)
    found: defaultdict[int, list[Neighbour]] = defaultdict(list)
    for named in (answers, true):
        for label, name in enumerate(predictions.classes):
            wrong = np.flatnonzero(known & (answers != true) & (named == label))  # (W,)
            right = np.flatnonzero(rightly & (answers == label))  # (R,)
            if len(wrong) and len(right):
                for place, nearest in zip(wrong.tolist(), _nearest(rows[wrong], rows[right]).tolist(), strict=True):
                    found[place].append(Neighbour(int(right[nearest]), name))
    return found


def _scores(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, C) logarithms of probabilities, less their mean in each row."""
    logs = np.log(np.maximum(table, _LEAST))
    centred: NDArray[np.float32] = logs - logs.mean(axis=1, keepdims=True)
    return centred


def _nearest(wrong: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.int_]:
    """(W,) which of the (R, D) rows is nearest to each of the (W, D)."""
    lengths = (right**2).sum(axis=1)  # (R,)
    parts = [wrong[start : start + _AT_ONCE] for start in range(0, len(wrong), _AT_ONCE)]
    return np.concatenate([(lengths - 2 * part @ right.T).argmin(axis=1) for part in parts])
