"""Soft labels whose class totals are stated in advance: optimal transport from images to classes.

Letters: N images, C classes.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from zsderm.arrays import Array, check_positive, finite_rows
from zsderm.errors import ConvergenceWarning, SettingsError, did_you_mean
from zsderm.proxies.dual import DualSolution, Marginal, dual_gradient, solve_dual
from zsderm.proxies.greenkhorn import solve_greedily
from zsderm.proxies.prior import Prior, resolve_prior

LABEL_TEMPERATURE = 0.01  # tau_t in KPL (arXiv 2501.11231); the inverse of CLIP's logit scale
TOLERANCE = 1e-6  # relative error of a class total
MAX_SWEEPS = 1000

Solver = Literal["sinkhorn", "greenkhorn"]


@dataclass(frozen=True)
class Transport:
    """Labels, and how the iteration that made them ended."""

    labels: torch.Tensor  # (N, C) float32, each row sums to 1
    prior: torch.Tensor  # (C,) float64, sums to 1: the class totals that were asked for
    potentials: (
        torch.Tensor
    )  # (C,) float64: labels = softmax(scores / temperature + potentials); -inf for a class of weight 0
    sweeps: int
    residual: float  # largest relative error of a class total when the iteration stopped
    converged: bool


def transport_labels(
    scores: Array,
    prior: Prior = "uniform",
    temperature: float = LABEL_TEMPERATURE,
    *,
    strength: float = math.inf,
    solver: Solver = "sinkhorn",
    tolerance: float = TOLERANCE,
    max_sweeps: int = MAX_SWEEPS,
) -> torch.Tensor:
    """Label the batch so that the classes get the shares that `prior` states.

    Args:
        scores: (N, C) cosines of images and proxies, any float type; not changed.
        prior: "uniform"; "auto", the mix that the scores themselves predict, which moves no label (scores alone
            cannot tell a bias of the proxies from a skewed folder; `refine` also sees the images); or (C,) weights
            of any positive scale. A class of weight 0 gets no label.
        temperature: of the softmax that turns scores into a start, in units of cosine.
        strength: weight of the penalty on class totals, in units of `temperature`. Infinite: the totals are met;
            0: plain softmax; between: unbalanced transport, where the totals give way to strong scores.
        solver: "sinkhorn" alternates rows and columns and then turns to Newton steps; "greenkhorn" mends the one row
            or column that is furthest off, again and again. Both find the same labels, sinkhorn sooner.
        tolerance: relative error of a class total at which the iteration stops.
        max_sweeps: cap on the iteration, in updates of all rows and columns.

    Returns:
        (N, C) float32 soft labels. Each row of labels sums to 1, always, also when the cap was met.

    Raises:
        SettingsError: for scores, a prior or a setting that cannot be used.

    Warns:
        ConvergenceWarning: when the cap was met first; the message carries the residual.

    Source: KPL (arXiv 2501.11231); Cuturi 2013 and Altschuler et al. 2017 for the iterations, Brauer et al. 2017 for
    the Newton steps, Chizat et al. 2018 for the relaxed totals.
    """
    return transport(
        scores, prior, temperature, strength=strength, solver=solver, tolerance=tolerance, max_sweeps=max_sweeps
    ).labels


def transport(
    scores: Array,
    prior: Prior = "uniform",
    temperature: float = LABEL_TEMPERATURE,
    *,
    strength: float = math.inf,
    solver: Solver = "sinkhorn",
    tolerance: float = TOLERANCE,
    max_sweeps: int = MAX_SWEEPS,
) -> Transport:
    """The same as `transport_labels`, with the story of the iteration.

    It minimises <P, -scores> / temperature - entropy(P) + strength * KL(column sums of P | prior) over (N, C) plans
    whose rows have mass 1/N, and returns N * P. See `transport_labels` for arguments, errors and sources.
    """
    check_positive(temperature=temperature, tolerance=tolerance, max_sweeps=max_sweeps)
    if not strength >= 0:
        raise SettingsError(f"Expected strength to be 0 or more, but got {strength}. Use math.inf to meet the prior.")
    if solver not in get_args(Solver):
        hint = did_you_mean(solver, get_args(Solver))
        raise SettingsError(f"Expected solver to be 'sinkhorn' or 'greenkhorn', but got {solver!r}.{hint}")
    logits = finite_rows(scores, "scores", torch.float64) / temperature  # (N, C)
    target = resolve_prior(prior, torch.softmax(logits, dim=1))
    wanted = target > 0  # a class of weight 0 attracts nothing and is left out of the problem
    totals = Marginal(target[wanted].log(), strength)
    ending = _solve(logits[:, wanted], totals, solver, tolerance, max_sweeps)
    if not ending.residual < tolerance:
        warn_of_residual(ending, tolerance)
    potentials = torch.full_like(target, -math.inf).masked_scatter_(wanted, ending.potential)
    labels = torch.softmax(logits + potentials, dim=1).float()  # the last step is the rows: they sum to 1
    return Transport(labels, target, potentials, ending.sweeps, ending.residual, ending.residual < tolerance)


def warn_of_residual(ending: DualSolution, tolerance: float) -> None:
    """Say that the iteration stopped at its cap, and how far off the totals still are."""
    warnings.warn(
        f"Transport stopped at its cap of {ending.sweeps} sweeps; a class total is still off by {ending.residual:.1e} "
        f"of its prior (asked for: {tolerance:.1e}). Rows sum to 1 all the same. Raise max_sweeps or the "
        "temperature, or state a prior closer to the folder.",
        ConvergenceWarning,
        stacklevel=4,
    )


def _solve(logits: torch.Tensor, totals: Marginal, solver: Solver, tolerance: float, max_sweeps: int) -> DualSolution:
    if solver == "greenkhorn":
        return solve_greedily(logits, totals, tolerance, max_sweeps)
    return solve_dual(
        lambda potential, overlap: dual_gradient([logits], potential, overlap), totals, tolerance, max_sweeps
    )
