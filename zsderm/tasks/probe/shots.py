"""The choice of k training images of each class."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsderm.errors import SettingsError


def draw_shots(
    labels: NDArray[np.int_], k: int, rng: np.random.Generator, groups: ArrayLike | None = None
) -> NDArray[np.int_]:
    """Draw k images of each class from as many patients or lesions as possible.

    The groups of a class are shuffled, and each gives one of its images in turn. A group gives a second image only
    after all groups have given one. A class with fewer than k images gives all of them.

    Args:
        labels: (N,) int, the class of each image; -1 for one that cannot be drawn.
        k: at least 1.
        rng: source of randomness.
        groups: (N,) names of patients or lesions, empty if unknown; None: each image is a group of its own.

    Returns:
        (at most k C,) int, indices into ``labels``, ascending.

    Raises:
        SettingsError: k below 1.
    """
    if k < 1:
        raise SettingsError(f"Expected argument `k` to be at least 1, but got {k}.")
    names = np.full(len(labels), "", object) if groups is None else np.asarray(groups, dtype=object)
    drawn: list[int] = []
    for label in np.unique(labels[labels >= 0]):
        members: dict[object, list[int]] = {}
        for row in rng.permutation(np.flatnonzero(labels == label)).tolist():
            members.setdefault(names[row] or row, []).append(row)  # an image without a group is one of its own
        turns = [(turn, group, row) for group, rows in enumerate(members.values()) for turn, row in enumerate(rows)]
        drawn += [row for _, _, row in sorted(turns)[:k]]
    return np.array(sorted(drawn), dtype=np.int_)
