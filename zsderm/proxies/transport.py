"""Soft labels whose class totals are stated in advance: optimal transport from images to classes.

Letters: N images, C classes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from zsderm.arrays import Array, check_positive, finite_rows
from zsderm.errors import ConvergenceWarning, SettingsError
from zsderm.proxies.dual import PLAIN_SWEEPS, DualGradient, DualSolution, Marginal, dual_gradient, solve_dual
from zsderm.proxies.prior import Prior, resolve_prior

LABEL_TEMPERATURE = 0.01  # tau_t in KPL (arXiv 2501.11231); the inverse of CLIP's logit scale
TOLERANCE = 1e-6  # relative error of a class total
MAX_SWEEPS = 1000


@dataclass(frozen=True)
class Transport:
    """Labels, and how the iteration that made them ended."""

    labels: torch.Tensor  # (N, C) float32, each row sums to 1
    prior: torch.Tensor  # (C,) float64, sums to 1: the class totals that were asked for
    # (C,) float64: labels = softmax(scores / temperature + potentials); -inf for a class of weight 0
    potentials: torch.Tensor
    sweeps: int
    residual: float  # largest relative error of a class total when the iteration stopped
    converged: bool


def transport_labels(
    scores: Array,
    prior: Prior = "uniform",
    temperature: float = LABEL_TEMPERATURE,
    *,
    strength: float = math.inf,
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
        tolerance: relative error of a class total at which the iteration stops.
        max_sweeps: cap on the iteration, in updates of all rows and columns.

    Returns:
        (N, C) float32 soft labels. Each row of labels sums to 1, always, also when the cap was met.

    Raises:
        SettingsError: for scores, a prior or a setting that cannot be used.

    Warns:
        ConvergenceWarning: when the cap was met first; the message carries the residual.

    Source: KPL (arXiv 2501.11231); Cuturi 2013 for the iterations, Brauer et al. 2017 for the Newton steps, Chizat et
    al. 2018 for the relaxed totals.
    """
    return transport(scores, prior, temperature, strength=strength, tolerance=tolerance, max_sweeps=max_sweeps).labels


def transport(
    scores: Array,
    prior: Prior = "uniform",
    temperature: float = LABEL_TEMPERATURE,
    *,
    strength: float = math.inf,
    tolerance: float = TOLERANCE,
    max_sweeps: int = MAX_SWEEPS,
) -> Transport:
    """The same as `transport_labels`, with how the iteration ended.

    It minimises <P, -scores> / temperature - entropy(P) + strength * KL(column sums of P | prior) over (N, C) plans
    whose rows have mass 1/N, and returns N * P. See `transport_labels` for arguments, errors and sources.
    """
    check_positive(temperature=temperature, tolerance=tolerance, max_sweeps=max_sweeps)
    if not strength >= 0:
        raise SettingsError(f"Expected strength to be 0 or more, but got {strength}. Use math.inf to meet the prior.")
    logits = finite_rows(scores, "scores", torch.float64) / temperature  # (N, C)
    target = resolve_prior(prior, torch.softmax(logits, dim=1))
    potentials, solution = match_marginal(lambda: [logits], target, strength, tolerance, max_sweeps)
    labels = torch.softmax(logits + potentials, dim=1).float()  # the last step is the rows: they sum to 1
    return Transport(labels, target, potentials, solution.sweeps, solution.residual, solution.converged)


def match_marginal(
    logits: Callable[[], Iterable[torch.Tensor]],
    target: torch.Tensor,
    strength: float = math.inf,
    tolerance: float = TOLERANCE,
    max_sweeps: int = MAX_SWEEPS,
    start: torch.Tensor | None = None,
) -> tuple[torch.Tensor, DualSolution]:
    """Find what has to be added to the logits of each class so that the labels have the class shares asked for.

    Args:
        logits: gives the logits (n, C) float64 of all images, chunk by chunk, each time it is called; not changed.
        target: (C,) float64 class shares that sum to 1; a class of weight 0 gets no label.
        strength: see `transport_labels`.
        tolerance: relative error of a class total at which the iteration stops.
        max_sweeps: cap on the passes through all images.
        start: (C,) potentials of a sample of the images; then Newton steps are taken at once.

    Returns:
        (C,) float64 potentials, -inf for a class of weight 0, and how the iteration ended.

    Warns:
        ConvergenceWarning: when the cap was met first; the message carries the residual.
    """
    wanted = target > 0  # a class of weight 0 is left out of the problem

    def take_pass(potential: torch.Tensor, overlap: bool) -> DualGradient:
        chunks = logits() if wanted.all() else (rows[:, wanted] for rows in logits())
        return dual_gradient(chunks, potential, overlap)

    solution = solve_dual(
        take_pass,
        Marginal(target[wanted].log(), strength),
        tolerance,
        max_sweeps,
        start=None if start is None else start[wanted],
        plain_sweeps=PLAIN_SWEEPS if start is None else 0,
    )
    if not solution.converged:
        warnings.warn(
            f"Transport stopped at its cap of {solution.sweeps} sweeps; a class total is still off by "
            f"{solution.residual:.1e} of its prior (asked for: {tolerance:.1e}). Rows sum to 1 all the same. Raise "
            "max_sweeps or the temperature, or state a prior closer to the folder.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return torch.full_like(target, -math.inf).masked_scatter_(wanted, solution.potential), solution
