"""Greedy transport: mend the row or column that is furthest off, again and again.

Letters: N images, C classes.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from zsderm.proxies.dual import DualSolution, Marginal, dual_gradient


def solve_greedily(logits: torch.Tensor, marginal: Marginal, tolerance: float, max_sweeps: int) -> DualSolution:
    """Find the potentials that bring the classes their totals, one row or column at a time.

    Works on logarithms throughout, so that nothing over- or underflows, and takes all sums afresh after every N + C
    updates, so that rounding does not add up. Well separated clusters need thousands of sweeps; Sinkhorn with its
    Newton steps does not.

    Args:
        logits: (N, C) float64.
        marginal: what the classes ask for.
        tolerance: relative error of a class total at which to stop.
        max_sweeps: cap, in N + C updates.

    Returns:
        The potentials; a sweep is N + C updates.

    Source: Altschuler, Weed and Rigollet 2017; with relaxed totals a column is mended as Chizat et al. 2018 do.
    """
    potential, sweeps = torch.zeros_like(marginal.log_target), 0
    if marginal.strength == 0:
        return DualSolution(potential, sweeps, 0.0)  # a plain softmax
    greedy = _Greedy(logits.numpy(), marginal)
    while True:
        gradient = dual_gradient([logits], potential, overlap=False)  # rows are met exactly, as in the labels
        residual = marginal.residual(potential, gradient.log_shares)
        if residual < tolerance or sweeps == max_sweeps:
            return DualSolution(potential, sweeps, residual)
        potential = torch.from_numpy(greedy.sweep())
        sweeps += 1


class _Greedy:
    """The plan exp(row_pull + logits + column_pull), whose rows want 1/N and whose columns want their totals."""

    def __init__(self, logits: np.ndarray, marginal: Marginal) -> None:
        self._logits = logits  # (N, C)
        self._by_class = np.ascontiguousarray(logits.T)  # (C, N)
        self._target = marginal.log_target.numpy()
        self._strength = marginal.strength
        self._row_log = -math.log(len(logits))
        self._pull = np.zeros(logits.shape[1])
        self._row_pull = self._row_log - _log_sums(logits)

    def sweep(self) -> np.ndarray:
        """Make N + C updates, each of the worst row or column; the potentials (C,) afterwards."""
        images, classes = self._logits.shape
        rows = np.exp(self._row_pull + _log_sums(self._logits + self._pull))  # (N,) masses
        columns = np.exp(self._pull + _log_sums(self._by_class + self._row_pull))  # (C,)
        wishes = np.exp(self._target - self._pull / self._strength)
        for _ in range(images + classes):
            row_errors, column_errors = _distance(1 / images, rows), _distance(wishes, columns)
            row, column = int(row_errors.argmax()), int(column_errors.argmax())
            if row_errors[row] > column_errors[column]:
                self._mend_row(row, columns)
                rows[row] = 1 / images
            else:
                self._mend_column(column, rows)
                wishes[column] = columns[column] = math.exp(self._target[column] - self._pull[column] / self._strength)
        return self._pull.copy()

    def _mend_row(self, row: int, columns: np.ndarray) -> None:
        entries = self._logits[row] + self._pull  # (C,)
        before, after = self._row_pull[row], self._row_log - _log_sums(entries[None])[0]
        columns += np.exp(entries + after) - np.exp(entries + before)
        self._row_pull[row] = after

    def _mend_column(self, column: int, rows: np.ndarray) -> None:
        entries = self._by_class[column] + self._row_pull  # (N,)
        yielding = 1.0 if math.isinf(self._strength) else self._strength / (1 + self._strength)
        before, after = self._pull[column], yielding * (self._target[column] - _log_sums(entries[None])[0])
        rows += np.exp(entries + after) - np.exp(entries + before)
        self._pull[column] = after


def _log_sums(values: np.ndarray) -> np.ndarray:
    """Log of the sum of exponentials along the last axis, which is shifted so that the largest is 1."""
    top = values.max(axis=-1)
    return top + np.log(np.exp(values - top[..., None]).sum(axis=-1))


def _distance(wished: np.ndarray | float, mass: np.ndarray) -> np.ndarray:
    """How far a mass is off: mass - wished + wished * log(wished / mass), which is 0 where they agree."""
    mass = np.maximum(mass, 1e-300)  # sums that are kept up to date by differences may end just below 0
    return mass - wished + wished * np.log(wished / mass)
