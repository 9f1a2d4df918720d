"""Smoothed labels: an image that lies among others of a folder takes a little of their labels.

Letters: N images, n of them distinct, C classes, D embedding width, k neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from zsderm.arrays import Array, check_positive, finite_rows, probability_rows
from zsderm.errors import SettingsError
from zsderm.proxies.guard import distinct_images, near_duplicate_distance

NEIGHBOURS = 5  # of each image; with ten, sets of PAD and ISIC 2017 grow by 3 to 8 % at gamma 0.3 (docs/smoothing.md)
STEPS = 8  # as published; the change of a step shrinks about as gamma * NEIGHBOURS / e
_DISTANCES = 1 << 24  # that are in memory at a time: 64 MB
_ORDERED_BY = 4  # columns by which rows are put in an order of their own; only copies agree in all of them


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """The nearest neighbours of each image among the distinct images of a folder.

    Near copies are no neighbours: a second picture of the same view is not evidence of its own. Of several near copies
    one may be a neighbour of other images.
    """

    neighbours: torch.Tensor  # (N, k) int64 rows, the nearest first
    weights: torch.Tensor  # (N, k) float32, exp(-squared distance / sigma^2); 0 where there is no such neighbour

    @classmethod
    def of(cls, features: Array, neighbours: int = NEIGHBOURS) -> NeighbourGraph:
        """Find the neighbours by exact search; time grows with N^2, memory with N.

        Args:
            features: (N, D) unit rows of any float type.
            neighbours: k; with n distinct images no image has more than n.

        Returns:
            The graph. sigma is the median distance of an image and a neighbour.

        Raises:
            SettingsError: features that cannot be used, or no neighbour asked for.
        """
        check_positive(neighbours=neighbours)
        rows = finite_rows(features, "image features")
        centred = rows - rows.mean(dim=0, dtype=torch.float64).float()
        distinct = distinct_images(rows)  # (n,)
        least, places, squared = near_duplicate_distance(centred), centred[distinct], centred.square().sum(dim=1)
        kept = min(neighbours, len(distinct))
        near = rows.new_empty(len(rows), kept)  # squared distances
        which = torch.empty(len(rows), kept, dtype=torch.int64)
        size = max(1, _DISTANCES // len(distinct))
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            apart = (centred[part] @ places.T).mul_(-2).add_(squared[distinct]).add_(squared[part, None])
            apart[apart <= least] = torch.inf  # the image itself, and near copies of it
            near[part], found = apart.topk(kept, dim=1, largest=False)
            which[part] = distinct[found]
        there = near.isfinite()
        sigma = near[there].sqrt().median().item() if there.any() else 1.0
        return cls(which, torch.where(there, (-near / sigma**2).exp(), 0.0))

    def mean_of(self, labels: torch.Tensor) -> torch.Tensor:
        """(N, C) sums of the labels (N, C) of the neighbours of each image, times their weights."""
        total = torch.zeros_like(labels)
        for weight, rows in zip(self.weights.T, self.neighbours.T, strict=True):
            total += weight[:, None] * labels[rows]
        return total


def smooth_labels(
    features: Array, probabilities: Array, gamma: float, *, neighbours: int = NEIGHBOURS, steps: int = STEPS
) -> torch.Tensor:
    """Draw the labels of each image towards those of its neighbours.

        z_ik proportional to q_ik exp(gamma * sum over neighbours j of W_ij z_jk), beginning with z = q
        W_ij = exp(-|f_i - f_j|^2 / sigma^2)

    No label is needed, and all images are treated alike: where calibration images are smoothed in the same way,
    split-conformal coverage is argued to hold (docs/smoothing.md has what was measured).

    Everything is in memory: features, N x k neighbours and N x C labels, and the search compares each image with each
    distinct one. Nothing is streamed.

    Args:
        features: (N, D) unit rows of any float type.
        probabilities: (N, C) rows that sum to 1, the labels q of each image by itself.
        gamma: how strongly; 0 changes nothing, 0.3 a little, 1 draws everything to its surroundings.
        neighbours: k, see `NeighbourGraph`.
        steps: how often labels are passed on.

    Returns:
        (N, C) float32, each row sums to 1. The order of the images changes nothing, to the last bit. A probability of
        0 stays 0. One image, or copies of one, keep their labels.

    Raises:
        SettingsError: features, probabilities or settings that cannot be used.

    Source: LATA (arXiv 2602.17535); that near copies are no neighbours is ours.
    """
    check_gamma(gamma)
    check_positive(steps=steps)
    rows, alone = finite_rows(features, "image features"), probability_rows(probabilities)
    if len(rows) != len(alone):
        raise SettingsError(f"Expected probabilities for each of {len(rows)} images, but got {len(alone)} rows.")
    if gamma == 0 or len(rows) == 1:
        return alone.float()
    order = _order(rows, alone)
    graph = NeighbourGraph.of(rows[order], neighbours)
    logits = alone[order].log().float()
    labels = torch.softmax(logits, dim=1)
    for _ in range(steps):
        labels = torch.softmax(logits + gamma * graph.mean_of(labels), dim=1)
    smoothed = torch.empty_like(labels)
    smoothed[order] = labels
    return smoothed


def check_gamma(gamma: float) -> None:
    """Refuse a strength of smoothing that is none.

    Raises:
        SettingsError: below 0, or not finite.
    """
    if not 0 <= gamma < math.inf:
        raise SettingsError(f"Expected gamma to be 0 or more, such as 0.3, but got {gamma}.")


def _order(features: torch.Tensor, probabilities: torch.Tensor) -> torch.Tensor:
    """(N,) int64 rows in an order of their own, whatever the order of the images: sums round in the order of rows."""
    keys = (*probabilities.T[:_ORDERED_BY], *features.T[:_ORDERED_BY])
    return torch.from_numpy(np.lexsort([key.numpy() for key in keys]))
