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

LABEL_TEMPERATURE = 0.01  # tau_t in KPL (arXiv 2501.11231); the inverse of CLIP's logit scale
TOLERANCE = 1e-6  # relative error of a class total
MAX_SWEEPS = 1000
PLAIN_SWEEPS = 30  # typical inputs take 11 to 22; those that take more get Newton steps


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
        max_sweeps: cap on the iteration, which alternates rows and columns and then turns to Newton steps.

    Returns:
        (N, C) float32 soft labels. Each row of labels sums to 1, always, also when the cap was met.

    Raises:
        SettingsError: for scores, a prior or a setting that cannot be used.

    Warns:
        ConvergenceWarning: when the cap was met first; the message carries the residual.

    Source: KPL (arXiv 2501.11231); Cuturi 2013 for the iteration, Brauer et al. 2017 for its
    Newton steps, Chizat et al. 2018 for the relaxed totals.
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
    plan = _solve(logits, target, strength, tolerance, max_sweeps)
    if not plan.converged:
        warnings.warn(
            f"Transport stopped at its cap of {plan.sweeps} sweeps; a class total is still off by {plan.residual:.1e} "
            f"of its prior (asked for: {tolerance:.1e}). Rows sum to 1 all the same. Raise max_sweeps or the "
            "temperature, or state a prior closer to the folder.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return plan


def _solve(logits: torch.Tensor, target: torch.Tensor, strength: float, tolerance: float, max_sweeps: int) -> Transport:
    wanted = target > 0  # a class of weight 0 attracts nothing and is left out of the problem
    problem = _Problem(logits[:, wanted], target[wanted].log(), strength)
    pull = torch.zeros_like(problem.log_target)  # (C,) what each class adds to its logits
    sweeps, residual = 0, 0.0 if strength == 0 else math.inf
    while residual >= tolerance and sweeps < max_sweeps:
        log_labels = torch.log_softmax(problem.logits + pull, dim=1)  # (N, C): rows sum to 1
        log_shares = torch.logsumexp(log_labels, dim=0) - math.log(len(logits))  # (C,)
        log_wish = problem.log_wish(pull)
        residual = torch.expm1(log_shares - log_wish).abs().max().item()
        sweeps += 1
        if residual < tolerance:
            break
        newton = problem.newton(pull, log_labels.exp(), log_wish) if sweeps > PLAIN_SWEEPS else None
        pull = problem.sinkhorn(pull, log_shares) if newton is None else newton
    labels = torch.zeros(logits.shape)
    labels[:, wanted] = torch.softmax(problem.logits + pull, dim=1).float()  # the last step is the rows: they sum to 1
    return Transport(labels, target, sweeps, residual, residual < tolerance)


@dataclass(frozen=True)
class _Problem:
    """The dual of transport in the pulls v of the classes; rows are met exactly for every v.

    maximise  sum(target * v) - mean(logsumexp(logits + v)),  where v meets the totals, and
    maximise  -strength * sum(target * exp(-v / strength)) - mean(logsumexp(logits + v)),  where it need not.
    """

    logits: torch.Tensor  # (N, C) float64
    log_target: torch.Tensor  # (C,) float64, finite
    strength: float

    def log_wish(self, pull: torch.Tensor) -> torch.Tensor:
        """Log of the shares that classes ask for; with a finite strength a class that must pull hard asks for less."""
        return self.log_target - pull / self.strength

    def value(self, pull: torch.Tensor) -> torch.Tensor:
        """The dual objective."""
        mass = torch.logsumexp(self.logits + pull, dim=1).mean()
        if math.isinf(self.strength):
            return self.log_target.exp() @ pull - mass
        return -self.strength * self.log_wish(pull).exp().sum() - mass

    def sinkhorn(self, pull: torch.Tensor, log_shares: torch.Tensor) -> torch.Tensor:
        """Rescale the columns."""
        yielding = 1.0 if math.isinf(self.strength) else self.strength / (1.0 + self.strength)
        return yielding * (self.log_target - log_shares + pull)

    def newton(self, pull: torch.Tensor, labels: torch.Tensor, log_wish: torch.Tensor) -> torch.Tensor | None:
        """Solve for all columns at once; None where rounding leaves nothing to gain.

        Well separated clusters leave the dual nearly flat, where rescaling would take thousands of sweeps.
        """
        wish, shares = log_wish.exp(), labels.mean(dim=0)
        gradient = wish - shares  # (C,)
        curvature = torch.diag(shares + wish / self.strength) - labels.T @ labels / len(labels)  # (C, C)
        # Adding a constant to all pulls changes nothing: fill that direction, which the gradient does not touch.
        curvature = curvature + shares.mean() / len(shares) + 1e-12 * torch.eye(len(shares), dtype=torch.float64)
        step, failed = torch.linalg.solve_ex(curvature, gradient)
        slope, value = gradient @ step, self.value(pull)
        if failed or not slope > 0:
            return None
        for halvings in range(12):
            length = 0.5**halvings
            if self.value(pull + length * step) >= value + 1e-4 * length * slope:
                return pull + length * step
        return None
