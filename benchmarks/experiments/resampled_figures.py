"""Figures of several tables of probabilities over the same resamples of patients, so that differences are paired.

`zsderm.metrics.compare` sets two tables side by side; here a figure is the mean over several drawings of the stories,
and every figure has its interval. All of them are sums over rows, so a resample is a row of weights.

Letters: N rows, C classes, D tables, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES, BINS = 2000, 10
FIGURES = ("accuracy", "balanced", "top3", "log_likelihood", "calibration_error")
Table = NDArray[np.float64]


def resampled(units: NDArray[np.int64], seed: int = 0) -> Table:
    """(1 + R, N) how often each row counts: once each, then in R draws of the units with replacement.

    Args:
        units: (N,) int, equal for rows that are drawn together.
        seed: of the draws.
    """
    _, place = np.unique(units, return_inverse=True)
    count = int(place.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    return np.concatenate([np.ones((1, len(units))), drawn[:, place]])


def figures(true: NDArray[np.int64], drawn: Sequence[Table], weights: Table) -> dict[str, Table]:
    """(1 + R,) figures, each the mean over the drawings.

    Args:
        true: (N,) classes.
        drawn: D tables (N, C) of probabilities.
        weights: (1 + R, N), as `resampled` gives them. A resample without rows gets NaN.
    """
    each = [_figures_of(true, rows, weights) for rows in drawn]
    return {name: np.mean([found[name] for found in each], axis=0) for name in FIGURES}


def _figures_of(true: NDArray[np.int64], rows: Table, weights: Table) -> dict[str, Table]:
    order = np.argsort(-rows, axis=1, kind="stable")
    right = (order[:, 0] == true).astype(float)
    first = (order[:, :3] == true[:, None]).any(axis=1).astype(float)
    logs = np.log(np.clip(rows[np.arange(len(true)), true], 1e-12, None))
    confidence = rows.max(axis=1)
    bins = np.eye(BINS)[np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)]  # (N, bins)
    kinds = np.eye(rows.shape[1])[true]  # (N, C)
    with np.errstate(invalid="ignore"):
        total = weights.sum(axis=1)
        there = weights @ kinds
        recalls = np.where(there > 0, (weights @ (kinds * right[:, None])) / there, np.nan)
        known = (there > 0).sum(axis=1)
        return {
            "accuracy": weights @ right / total,
            "balanced": np.nansum(recalls, axis=1) / known,
            "top3": weights @ first / total,
            "log_likelihood": weights @ logs / total,
            "calibration_error": np.abs(weights @ (bins * (confidence - right)[:, None])).sum(axis=1) / total,
        }


def with_interval(rows: Table) -> dict[str, float]:
    """A figure and its 95 % interval, out of (1 + R,) values; one that a resample does not define does not count."""
    low, high = np.nanquantile(rows[1:], (0.025, 0.975))
    return {"value": float(rows[0]), "low": float(low), "high": float(high)}
