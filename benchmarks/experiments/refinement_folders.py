"""Folders to try refinements on, of several regimes, drawn from pools of images.

Letters: N images of a pool, n of a folder, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.class_mixes import Rows, at_most, rows_of_classes
from zsderm.benchmarks.experiments.refinement_pools import Pool

SOURCES = ("pad", "ham10000", "isic2017", "onychomycosis")
REGIMES = ("natural", "balanced", "skewed", "half of the classes", "one class", "copies", "clumps")
SIZES = (16, 30, 60, 100, 160, 300)
SMALLEST = 16
ADDED_BIASES = (0.0, 0.0, 0.15, 0.3)  # each as likely; the spread over classes, as in prior_worlds
COPIES = 4  # of each image, on average; fewer where the folder is small
CLUMP = 10  # images


@dataclass(frozen=True, eq=False)
class Folder:
    """Some images of a pool, with or without a bias added to its text proxies."""

    pool: Pool = field(repr=False)
    regime: str
    bias: float
    rows: Rows  # (n,)
    proxies: torch.Tensor  # (C, D)
    halves: torch.Tensor  # (2, C, D)

    @property
    def features(self) -> torch.Tensor:
        """(n, D) float32 unit rows."""
        return self.pool.features[torch.from_numpy(self.rows)]

    @property
    def mirrored(self) -> torch.Tensor:
        """(n, D) float32 unit rows, the second view of each image."""
        return self.pool.mirrored[torch.from_numpy(self.rows)]

    @property
    def labels(self) -> Rows:
        """(n,) true classes."""
        return self.pool.labels[self.rows]


def draw_rows(regime: str, features: torch.Tensor, labels: Rows, size: int, rng: np.random.Generator) -> Rows:
    """Rows of a folder of about so many images; fewer where the pool has no more of that regime.

    Args:
        regime: one of REGIMES.
        features: (N, D) of the pool.
        labels: (N,).
        size: of the folder.
        rng: draws.
    """
    of_class = rows_of_classes(labels, rng)
    some = rng.permutation(len(labels))[:size]
    if regime == "balanced":
        some = at_most(max(1, size // len(of_class)), of_class)
    elif regime == "skewed":
        shares = rng.dirichlet(np.full(len(of_class), 0.5))[np.unique(labels, return_inverse=True)[1]] + 1e-9
        some = rng.choice(len(labels), min(size, len(labels) // 2), replace=False, p=shares / shares.sum())
    elif regime == "half of the classes":
        chosen = rng.permutation(len(of_class))[: max(1, len(of_class) // 2)]
        some = rng.permutation(np.concatenate([of_class[index] for index in chosen]))[:size]
    elif regime == "one class":
        large = [rows for rows in of_class if len(rows) >= SMALLEST] or of_class
        some = large[rng.integers(len(large))][:size]
    elif regime == "copies":
        some = rng.choice(some[: max(8, size // COPIES)], size)
    elif regime == "clumps":
        first = torch.from_numpy(some[: max(1, size // CLUMP)])
        near = (features[first] @ features.T).topk(min(CLUMP, len(features)), dim=1).indices
        some = np.unique(near.numpy())
    return some


def folders(pool: Pool, seeds: Iterable[int]) -> Iterator[Folder]:
    """One folder of every regime for each seed, of random size and bias; none of fewer than SMALLEST images.

    Size and strength of the bias depend on seed, regime and pool.
    """
    for seed in seeds:
        for number, regime in enumerate(REGIMES):
            rng = np.random.default_rng([seed, number, pool.number])
            size, bias = int(rng.choice(SIZES)), float(rng.choice(ADDED_BIASES))
            rows = draw_rows(regime, pool.features, pool.labels, size, rng)
            if len(rows) >= SMALLEST:
                added = torch.from_numpy(rng.standard_normal((len(pool.proxies), 1))).float()
                added = bias * added * normalize(pool.features.mean(dim=0), dim=0)
                biased, halves = (normalize(rows + added, dim=-1) for rows in (pool.proxies, pool.halves))
                yield Folder(pool, regime, bias, rows, biased, halves)
