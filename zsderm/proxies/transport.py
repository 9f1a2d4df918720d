"""Soft labels whose class totals are stated in advance: optimal transport from images to classes.

Letters: N images, C classes.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from zsderm.errors import ConvergenceWarning, SettingsError

LABEL_TEMPERATURE = 0.01  # SPEC.md section 1, step 5; the inverse of CLIP's logit scale
TOLERANCE = 1e-6  # relative error of a class total
MAX_SWEEPS = 1000  # typical inputs take 11 to 22; a folder far from its stated prior takes hundreds

Array = torch.Tensor | np.ndarray
Prior = str | Array


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
    _check_positive(temperature=temperature, tolerance=tolerance, max_sweeps=max_sweeps)
    if not strength >= 0:
        raise SettingsError(f"Expected strength to be 0 or more, but got {strength}. Use math.inf to meet the prior.")
    logits = as_scores(scores) / temperature  # (N, C) float64
    target = resolve_mix(prior, logits)
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


def resolve_mix(prior: Prior, logits: torch.Tensor) -> torch.Tensor:
    """Class shares from what a user may say: a word, or weights of any positive scale.

    Args:
        prior: "uniform", "auto" or (C,) weights.
        logits: (N, C) float64, scores divided by their temperature; read for "auto" only.

    Returns:
        (C,) float64 that sums to 1.

    Raises:
        SettingsError: for another word, a wrong shape, a negative or missing weight, or weights that are all zero.
    """
    class_count = logits.shape[1]
    if isinstance(prior, str):
        if prior == "uniform":
            return torch.full((class_count,), 1.0 / class_count, dtype=torch.float64)
        if prior == "auto":
            return torch.softmax(logits, dim=1).mean(dim=0)
        raise SettingsError(f"Expected prior to be 'uniform', 'auto' or {class_count} weights, but got {prior!r}.")
    weights = torch.as_tensor(prior).detach().to("cpu", torch.float64)
    if weights.shape != (class_count,):
        raise SettingsError(
            f"Expected prior to hold one weight per class, shape ({class_count},), but got shape "
            f"{tuple(weights.shape)}. Give the weights in the order of the classes."
        )
    if not torch.isfinite(weights).all() or (weights < 0).any():
        raise SettingsError("Expected prior weights to be finite and 0 or more. Replace NaN, infinite or negative ones.")
    if not weights.sum() > 0:
        raise SettingsError("Expected at least one prior weight above 0, but all are 0. Use 'uniform' when unsure.")
    return weights / weights.sum()


def as_scores(scores: Array) -> torch.Tensor:
    """Scores as an (N, C) float64 tensor on the CPU, refused when they cannot be labelled."""
    tensor = torch.as_tensor(scores).detach().to("cpu", torch.float64)
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise SettingsError(
            f"Expected scores to be images by classes, shape (N, C) with N and C at least 1, but got shape "
            f"{tuple(tensor.shape)}. One image is scores[None, :]."
        )
    if not torch.isfinite(tensor).all():
        raise SettingsError("Expected finite scores, but got NaN or infinity. Leave out images that could not be read.")
    return tensor


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


def _check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if not 0 < value < math.inf:
            raise SettingsError(f"Expected {name} to be a positive number, but got {value}.")
