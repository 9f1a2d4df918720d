"""The slow twin of transport: update the one row or column that is furthest off, again and again.

Read with runpy.run_path. Letters: N images, C classes.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import torch

from zsderm.arrays import Array, finite_rows
from zsderm.errors import ConvergenceWarning
from zsderm.proxies.dual import DualSolution, Marginal, dual_gradient
from zsderm.proxies.prior import Prior, resolve_prior
from zsderm.proxies.transport import Transport


def greedy_transport(
    scores: Array,
    prior: Prior = "uniform",
    temperature: float = 0.01,
    *,
    strength: float = math.inf,
    tolerance: float = 1e-6,
    max_sweeps: int = 1000,
) -> Transport:
    """What `zsderm.proxies.transport` gives, by greedy updates."""
    logits = finite_rows(scores, "scores", torch.float64) / temperature  # (N, C)
    target = resolve_prior(prior, torch.softmax(logits, dim=1))
    wanted = target > 0
    end = solve_greedily(logits[:, wanted], Marginal(target[wanted].log(), strength), tolerance, max_sweeps)
    if not end.converged:
        warnings.warn(f"stopped with {end.residual}", ConvergenceWarning, stacklevel=2)
    potentials = torch.full_like(target, -math.inf).masked_scatter_(wanted, end.potential)
    labels = torch.softmax(logits + potentials, dim=1).float()
    return Transport(labels, target, potentials, end.sweeps, end.residual, end.converged)


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

    Source: Altschuler, Weed and Rigollet 2017; with relaxed totals a column is updated as Chizat et al. 2018 do.
    """
    potential, sweeps = torch.zeros_like(marginal.log_target), 0
    if marginal.strength == 0:
        return DualSolution(potential, sweeps, 0.0, True)  # a plain softmax
    greedy = _Greedy(logits.numpy(), marginal)
    while True:
        gradient = dual_gradient([logits], potential, overlap=False)  # rows are met exactly, as in the labels
        residual = marginal.residual(potential, gradient.log_shares)
        if residual < tolerance or sweeps == max_sweeps:
            return DualSolution(potential, sweeps, residual, residual < tolerance)
        potential = torch.from_numpy(greedy.sweep())
        sweeps += 1


class _Greedy:
    """The plan exp(u + logits + v), whose rows are to sum to 1/N and whose columns to their marginal."""

    def __init__(self, logits: np.ndarray, marginal: Marginal) -> None:
        self._logits = logits  # (N, C)
        self._by_class = np.ascontiguousarray(logits.T)  # (C, N)
        self._target = marginal.log_target.numpy()
        self._strength = marginal.strength
        self._row_log = -math.log(len(logits))
        self._v = np.zeros(logits.shape[1])
        self._u = self._row_log - _log_sums(logits)

    def sweep(self) -> np.ndarray:
        """Make N + C updates, each of the worst row or column; the potentials (C,) afterwards."""
        images, classes = self._logits.shape
        rows = np.exp(self._u + _log_sums(self._logits + self._v))  # (N,) masses
        columns = np.exp(self._v + _log_sums(self._by_class + self._u))  # (C,)
        wanted = np.exp(self._target - self._v / self._strength)
        for _ in range(images + classes):
            row_errors, column_errors = _distance(1 / images, rows), _distance(wanted, columns)
            row, column = int(row_errors.argmax()), int(column_errors.argmax())
            if row_errors[row] > column_errors[column]:
                self._update_row(row, columns)
                rows[row] = 1 / images
            else:
                self._update_column(column, rows)
                wanted[column] = columns[column] = math.exp(self._target[column] - self._v[column] / self._strength)
        return self._v.copy()

    def _update_row(self, row: int, columns: np.ndarray) -> None:
        entries = self._logits[row] + self._v  # (C,)
        before, after = self._u[row], self._row_log - _log_sums(entries[None])[0]
        columns += np.exp(entries + after) - np.exp(entries + before)
        self._u[row] = after

    def _update_column(self, column: int, rows: np.ndarray) -> None:
        entries = self._by_class[column] + self._u  # (N,)
        yielding = 1.0 if math.isinf(self._strength) else self._strength / (1 + self._strength)
        before, after = self._v[column], yielding * (self._target[column] - _log_sums(entries[None])[0])
        rows += np.exp(entries + after) - np.exp(entries + before)
        self._v[column] = after


def _log_sums(values: np.ndarray) -> np.ndarray:
    """Log of the sum of exponentials along the last axis, which is shifted so that the largest is 1."""
    top = values.max(axis=-1)
    return top + np.log(np.exp(values - top[..., None]).sum(axis=-1))


def _distance(wanted: np.ndarray | float, mass: np.ndarray) -> np.ndarray:
    """How far a mass is off: mass - wanted + wanted * log(wanted / mass), which is 0 where they agree."""
    mass = np.maximum(mass, 1e-300)  # sums that are kept up to date by differences may end just below 0
    return mass - wanted + wanted * np.log(wanted / mass)
