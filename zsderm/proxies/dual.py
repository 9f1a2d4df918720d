"""The dual of transport: one pull per class, found by alternating and Newton steps over passes through the images.

Letters: N images, C classes. Rows are met exactly for every pull, so a pass need not keep anything of an image, and the
images of a pass may come in chunks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch

PLAIN_SWEEPS = 30  # typical inputs take 11 to 22; those that take more get Newton steps
_HALVINGS = 12


class Moments(NamedTuple):
    """What a pass over the images says about the pulls it was made with."""

    log_normaliser: torch.Tensor  # () mean of logsumexp(logits + pull), which is 0 in a plain softmax
    log_shares: torch.Tensor  # (C,) log of the mean label
    overlap: torch.Tensor | None  # (C, C) labels.T @ labels / N, where it was asked for


class Ending(NamedTuple):
    """Pulls, and how the iteration that found them ended."""

    pull: torch.Tensor  # (C,) float64, what each class adds to its logits
    sweeps: int  # passes over all images
    residual: float  # largest relative error of a class total


Pass = Callable[[torch.Tensor, bool], Moments]  # pull, whether to take the overlap


@dataclass(frozen=True)
class Totals:
    """What the classes ask for, and with what insistence; all of positive weight.

    The pulls v maximise  sum(target * v) - mean(logsumexp(logits + v)),  where the totals are to be met, and
    -strength * sum(target * exp(-v / strength)) - mean(logsumexp(logits + v)),  where they give way.
    """

    log_target: torch.Tensor  # (C,) float64, finite
    strength: float

    def log_wish(self, pull: torch.Tensor) -> torch.Tensor:
        """Log of the shares that classes ask for; with a finite strength a class that must pull hard asks for less."""
        return self.log_target - pull / self.strength

    def residual(self, pull: torch.Tensor, log_shares: torch.Tensor) -> float:
        """Largest relative error of a class total."""
        return torch.expm1(log_shares - self.log_wish(pull)).abs().max().item()

    def value(self, pull: torch.Tensor, moments: Moments) -> torch.Tensor:
        """The dual objective."""
        if math.isinf(self.strength):
            return self.log_target.exp() @ pull - moments.log_normaliser
        return -self.strength * self.log_wish(pull).exp().sum() - moments.log_normaliser

    def rescaled(self, pull: torch.Tensor, log_shares: torch.Tensor) -> torch.Tensor:
        """Rescale the columns: Sinkhorn's step."""
        yielding = 1.0 if math.isinf(self.strength) else self.strength / (1.0 + self.strength)
        return yielding * (self.log_target - log_shares + pull)

    def newton_step(self, pull: torch.Tensor, moments: Moments) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Solve for all columns at once: the step and the slope along it, or None where no curvature is known."""
        if moments.overlap is None:
            return None
        wish, shares = self.log_wish(pull).exp(), moments.log_shares.exp()
        gradient = wish - shares  # (C,)
        curvature = torch.diag(shares + wish / self.strength) - moments.overlap  # (C, C)
        if math.isinf(self.strength):
            # Adding a constant to all pulls changes nothing: fill that direction, which the gradient does not touch.
            curvature = curvature + shares.mean() / len(shares)
        curvature = curvature + 1e-12 * torch.eye(len(shares), dtype=torch.float64)
        step, failed = torch.linalg.solve_ex(curvature, gradient)
        slope = gradient @ step
        return (step, slope) if not failed and slope > 0 else None


def gather_moments(chunks: Iterable[torch.Tensor], pull: torch.Tensor, overlap: bool) -> Moments:
    """Make a pass over logits that come in chunks.

    Args:
        chunks: (n, C) float64 logits, together N rows.
        pull: (C,) float64.
        overlap: whether to take the (C, C) overlap too.

    Returns:
        The moments, which do not depend on where the chunks are cut.
    """
    count, normaliser = 0, torch.zeros((), dtype=torch.float64)
    log_masses = torch.full_like(pull, -math.inf)  # (C,)
    products = torch.zeros(len(pull), len(pull), dtype=torch.float64) if overlap else None  # (C, C)
    for logits in chunks:
        pulled = logits + pull
        row_logs = torch.logsumexp(pulled, dim=1, keepdim=True)  # (n, 1)
        log_labels = pulled.sub_(row_logs)  # (n, C): rows sum to 1
        log_masses = torch.logaddexp(log_masses, torch.logsumexp(log_labels, dim=0))
        if products is not None:
            labels = log_labels.exp_()
            products += labels.T @ labels
        normaliser += row_logs.sum()
        count += len(logits)
    return Moments(normaliser / count, log_masses - math.log(count), None if products is None else products / count)


def solve_dual(
    take_pass: Pass,
    totals: Totals,
    tolerance: float,
    max_sweeps: int,
    *,
    start: torch.Tensor | None = None,
    plain_sweeps: int = PLAIN_SWEEPS,
) -> Ending:
    """Find the pulls that bring the classes their totals.

    Args:
        take_pass: a pass over all images.
        totals: what the classes ask for.
        tolerance: relative error of a class total at which to stop.
        max_sweeps: cap on passes.
        start: (C,) pulls to start from, for instance those of a subsample; zeros by default.
        plain_sweeps: passes before Newton steps, which cost a (C, C) product; 0 where passes are dear.

    Returns:
        The pulls with the residual that they have, also when the cap was met.

    Source: Cuturi 2013 for the sweeps; Brauer et al. 2017 for the Newton steps, which well separated clusters need:
    there the dual is nearly flat and rescaling would take thousands of sweeps.
    """
    pull = torch.zeros_like(totals.log_target) if start is None else start
    if totals.strength == 0:
        return Ending(torch.zeros_like(pull), 0, 0.0)  # a plain softmax
    moments, sweeps = take_pass(pull, plain_sweeps <= 0), 1
    while (residual := totals.residual(pull, moments.log_shares)) >= tolerance and sweeps < max_sweeps:
        found, used = _climb(take_pass, totals, pull, moments, max_sweeps - sweeps)
        sweeps += used
        if found is not None:
            pull, moments = found
        elif sweeps < max_sweeps:
            pull = totals.rescaled(pull, moments.log_shares)
            moments, sweeps = take_pass(pull, sweeps >= plain_sweeps), sweeps + 1
    return Ending(pull, sweeps, residual)


def _climb(
    take_pass: Pass, totals: Totals, pull: torch.Tensor, moments: Moments, passes: int
) -> tuple[tuple[torch.Tensor, Moments] | None, int]:
    """A Newton step that is long enough to gain and short enough to hold; None where rounding leaves nothing to gain.

    The pass that tries a length is the first pass of the next step, so that most steps cost one.
    """
    newton = totals.newton_step(pull, moments)
    if newton is None:
        return None, 0
    step, slope = newton
    value, residual = totals.value(pull, moments), totals.residual(pull, moments.log_shares)
    for halvings in range(min(_HALVINGS, passes)):
        length = 0.5**halvings
        trial = pull + length * step
        ahead = take_pass(trial, True)
        gains = totals.value(trial, ahead) >= value + 1e-4 * length * slope
        # Close to the end the gain drowns in rounding, which totals show long before the value does.
        if gains or totals.residual(trial, ahead.log_shares) < residual / 2:
            return (trial, ahead), halvings + 1
    return None, min(_HALVINGS, passes)
