"""Soft labels whose class totals are stated in advance: optimal transport from images to classes.

Letters: N images, C classes.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch

from zsderm.errors import ConvergenceWarning, SettingsError
from zsderm.proxies.arrays import Array, check_positive, finite_rows
from zsderm.proxies.prior import Prior, resolve_prior

LABEL_TEMPERATURE = 0.01  # SPEC.md section 1, step 5; the inverse of CLIP's logit scale
TOLERANCE = 1e-6  # relative error of a class total
MAX_SWEEPS = 1000  # typical inputs take 11 to 22; a folder far from its stated prior takes hundreds


@dataclass(frozen=True)
class Transport:
    """Labels, and how the iteration that made them ended."""

    labels: torch.Tensor  # (N, C) float32, each row sums to 1
    prior: torch.Tensor  # (C,) float64, sums to 1: the class totals that were asked for
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
        max_sweeps: cap on the iteration.

    Returns:
        (N, C) float32 soft labels. Each row of labels sums to 1, always, also when the cap was met.

    Raises:
        SettingsError: for scores, a prior or a setting that cannot be used.

    Warns:
        ConvergenceWarning: when the cap was met first; the message carries the residual.

    Source: KPL (arXiv 2501.11231); Cuturi 2013 for the iteration, Chizat et al. 2018 for the relaxed totals.
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
    """The same as `transport_labels`, with the story of the iteration.

    It minimises <P, -scores> / temperature - entropy(P) + strength * KL(column sums of P | prior) over (N, C) plans
    whose rows have mass 1/N, and returns N * P. See `transport_labels` for arguments, errors and sources.
    """
    check_positive(temperature=temperature, tolerance=tolerance, max_sweeps=max_sweeps)
    if not strength >= 0:
        raise SettingsError(f"Expected strength to be 0 or more, but got {strength}. Use math.inf to meet the prior.")
    logits = finite_rows(scores, "scores", torch.float64) / temperature  # (N, C)
    target = resolve_prior(prior, torch.softmax(logits, dim=1))
    plan = _sinkhorn(logits, target, strength, tolerance, max_sweeps)
    if not plan.converged:
        warnings.warn(
            f"Transport stopped at its cap of {plan.sweeps} sweeps; a class total is still off by {plan.residual:.1e} "
            f"of its prior (asked for: {tolerance:.1e}). Rows sum to 1 all the same. Raise max_sweeps or the "
            "temperature, or state a prior closer to the folder.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return plan


def _sinkhorn(
    logits: torch.Tensor, target: torch.Tensor, strength: float, tolerance: float, max_sweeps: int
) -> Transport:
    image_count = logits.shape[0]
    log_target = target.log()  # -inf for a class of weight 0, which then attracts nothing
    wanted = target > 0
    # The exponent of unbalanced Sinkhorn; 1 meets the totals, 0 leaves the softmax as it is.
    yielding = 1.0 if math.isinf(strength) else strength / (1.0 + strength)
    pull = torch.where(wanted, 0.0, -math.inf).to(torch.float64)  # (C,) log column scaling
    residual, sweeps = math.inf, 0
    while residual >= tolerance and sweeps < max_sweeps:
        log_rows = torch.log_softmax(logits + pull, dim=1) - math.log(image_count)  # (N, C), rows of mass 1/N
        totals = torch.logsumexp(log_rows - pull.where(wanted, 0.0), dim=0)  # (C,) before the column scaling
        new_pull = torch.where(wanted, yielding * (log_target - totals), -math.inf)
        residual = torch.expm1((pull - new_pull)[wanted]).abs().max().item()
        if residual >= tolerance:
            pull = new_pull
        sweeps += 1
    labels = torch.softmax(logits + pull, dim=1)  # the last step is the rows: they sum to 1
    return Transport(labels.float(), target, sweeps, residual, residual < tolerance)
