"""Folders of different class mixes, drawn from one labelled image set.

Letters: N images, C classes. A folder is given as rows, indices into the N images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALLEST_FOLDER = 5  # images; a folder of one class with fewer says little
LARGEST_CLASS = 40  # images of one class in a capped folder

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Mix:
    """Some of the images, and what kind of mix they are."""

    kind: str  # "natural", "capped", "balanced" or "one class"
    rows: Rows
    number: int = 0  # the seed of a capped or balanced folder, the class of a folder of one class


def class_mixes(labels: Rows, seeds: int) -> Iterator[Mix]:
    """The whole set; per seed a capped part, where that leaves anything out, and an evenly filled one; and each class.

    Args:
        labels: (N,) true classes.
        seeds: how many capped and balanced folders to draw.
    """
    yield Mix("natural", np.arange(len(labels)))
    classes, counts = np.unique(labels, return_counts=True)
    for seed in range(seeds):
        shuffled = rows_of_classes(labels, np.random.default_rng(seed))
        for kind, largest in (("capped", LARGEST_CLASS), ("balanced", counts.min())):
            if largest < counts.max():  # else it is the whole set again
                yield Mix(kind, np.sort(at_most(largest, shuffled)), seed)
    for index, count in zip(classes, counts, strict=True):
        if count >= SMALLEST_FOLDER:
            yield Mix("one class", np.flatnonzero(labels == index), int(index))


def rows_of_classes(labels: NDArray[np.int_], rng: np.random.Generator) -> list[Rows]:
    """The rows of each class that occurs, in the order of the classes; within a class in random order."""
    return [rng.permutation(np.flatnonzero(labels == index)) for index in np.unique(labels)]


def at_most(count: int, classes: Sequence[Rows]) -> Rows:
    """The first `count` rows of each class, one class after the other; all rows of a smaller class."""
    return np.concatenate([rows[:count] for rows in classes])
