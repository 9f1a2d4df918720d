"""The dual of transport: one potential per class, found by alternating and Newton steps over passes through the images.

Letters: N images, C classes. Rows are met exactly for every potential, so a pass need not keep anything of an image,
and the images of a pass may come in chunks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch

PLAIN_SWEEPS = 30  # typical inputs take 11 to 22; those that take more get Newton steps
_HALVINGS = 12
_SMALL = 1e-280  # a class total below it has lost digits to the range of float64


class DualGradient(NamedTuple):
    """What a pass over the images gives for the potentials it was made with."""

    log_normaliser: torch.Tensor  # () mean of logsumexp(logits + potential), which is 0 in a plain softmax
    log_shares: torch.Tensor  # (C,) log of the mean label
    overlap: torch.Tensor | None  # (C, C) labels.T @ labels / N, where it was asked for


class DualSolution(NamedTuple):
    """Potentials, and how the iteration that found them ended."""

    potential: torch.Tensor  # (C,) float64, what each class adds to its logits
    sweeps: int  # passes over all images
    residual: float  # largest relative error of a class total
    converged: bool  # whether that is below the tolerance


Pass = Callable[[torch.Tensor, bool], DualGradient]  # potential, whether to take the overlap


@dataclass(frozen=True)
class Marginal:
    """The class shares asked for, all of positive weight, and the penalty on missing them.

    The potentials v maximise  sum(target * v) - mean(logsumexp(logits + v)),  where the totals are to be met, and
    -strength * sum(target * exp(-v / strength)) - mean(logsumexp(logits + v)),  where they may be missed.
    """

    log_target: torch.Tensor  # (C,) float64, finite
    strength: float

    def log_marginal(self, potential: torch.Tensor) -> torch.Tensor:
        """Log of the class shares asked for; with a finite strength they give way to a large potential."""
        return self.log_target - potential / self.strength

    def residual(self, potential: torch.Tensor, log_shares: torch.Tensor) -> float:
        """Largest relative error of a class total."""
        return torch.expm1(log_shares - self.log_marginal(potential)).abs().max().item()

    def value(self, potential: torch.Tensor, moments: DualGradient) -> torch.Tensor:
        """The dual objective."""
        if math.isinf(self.strength):
            return self.log_target.exp() @ potential - moments.log_normaliser
        return -self.strength * self.log_marginal(potential).exp().sum() - moments.log_normaliser

    def rescaled(self, potential: torch.Tensor, log_shares: torch.Tensor) -> torch.Tensor:
        """Rescale the columns: Sinkhorn's step."""
        yielding = 1.0 if math.isinf(self.strength) else self.strength / (1.0 + self.strength)
        return yielding * (self.log_target - log_shares + potential)

    def newton_step(self, potential: torch.Tensor, moments: DualGradient) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Solve for all columns at once: the step and the slope along it, or None where no curvature is known."""
        if moments.overlap is None:
            return None
        wanted, shares = self.log_marginal(potential).exp(), moments.log_shares.exp()
        gradient = wanted - shares  # (C,)
        curvature = torch.diag(shares + wanted / self.strength) - moments.overlap  # (C, C)
        if math.isinf(self.strength):
            # A constant added to all potentials changes nothing: fill that direction, which no gradient has.
            curvature = curvature + shares.mean() / len(shares)
        curvature = curvature + 1e-12 * torch.eye(len(shares), dtype=torch.float64, device=shares.device)
        step, failed = torch.linalg.solve_ex(curvature, gradient)
        slope = gradient @ step
        return (step, slope) if not failed and slope > 0 else None


def dual_gradient(chunks: Iterable[torch.Tensor], potential: torch.Tensor, overlap: bool) -> DualGradient:
    """Make a pass over logits that come in chunks.

    Args:
        chunks: (n, C) float64 logits, together N rows.
        potential: (C,) float64.
        overlap: whether to take the (C, C) overlap too.

    Returns:
        The moments, which do not depend on where the chunks are cut.
    """
    count, normaliser = 0, potential.new_zeros(())
    log_masses = torch.full_like(potential, -math.inf)  # (C,)
    products = potential.new_zeros(len(potential), len(potential)) if overlap else None  # (C, C)
    for logits in chunks:
        shifted = logits + potential
        labels = torch.softmax(shifted, dim=1)  # (n, C)
        # The largest label of a row is at least 1 / C, so its logarithm is exact; with it comes the normaliser.
        row_logs = shifted.amax(dim=1) - labels.amax(dim=1).log()  # (n,)
        masses = labels.sum(dim=0)  # (C,)
        lost = bool(masses.amin() < _SMALL)  # all labels of a class round to nothing, or nearly
        log_masses = torch.logaddexp(
            log_masses, torch.logsumexp(shifted - row_logs[:, None], dim=0) if lost else masses.log()
        )
        if products is not None:
            products += labels.T @ labels
        normaliser += row_logs.sum()
        count += len(logits)
    return DualGradient(
        normaliser / count, log_masses - math.log(count), None if products is None else products / count
    )


def solve_dual(
    take_pass: Pass,
    totals: Marginal,
    tolerance: float,
    max_sweeps: int,
    *,
    start: torch.Tensor | None = None,
    plain_sweeps: int = PLAIN_SWEEPS,
) -> DualSolution:
    """Find the potentials that bring the classes their totals.

    Args:
        take_pass: a pass over all images.
        totals: the class shares asked for.
        tolerance: relative error of a class total at which to stop.
        max_sweeps: cap on passes.
        start: (C,) potentials to start from, for instance those of a subsample; zeros by default.
        plain_sweeps: passes before Newton steps, which cost a (C, C) product; 0 where a pass is slow.

    Returns:
        The potentials with the residual that they have, also when the cap was met.

    Source: Cuturi 2013 for the sweeps; Brauer et al. 2017 for the Newton steps, which well separated clusters need:
    there the dual is nearly flat and rescaling would take thousands of sweeps.
    """
    potential = torch.zeros_like(totals.log_target) if start is None else start
    if totals.strength == 0:
        return DualSolution(torch.zeros_like(potential), 0, 0.0, True)  # a plain softmax
    moments, sweeps = take_pass(potential, plain_sweeps <= 0), 1
    while (residual := totals.residual(potential, moments.log_shares)) >= tolerance and sweeps < max_sweeps:
        found, used = _climb(take_pass, totals, potential, moments, max_sweeps - sweeps)
        sweeps += used
        if found is not None:
            potential, moments = found
        elif sweeps < max_sweeps:
            potential = totals.rescaled(potential, moments.log_shares)
            moments, sweeps = take_pass(potential, sweeps >= plain_sweeps), sweeps + 1
    return DualSolution(potential, sweeps, residual, residual < tolerance)


def _climb(
    take_pass: Pass, totals: Marginal, potential: torch.Tensor, moments: DualGradient, passes: int
) -> tuple[tuple[torch.Tensor, DualGradient] | None, int]:
    """A Newton step that is long enough to gain and short enough to hold; None where rounding leaves nothing to gain.

    The pass that tries a length is the first pass of the next step, so that most steps cost one.
    """
    newton = totals.newton_step(potential, moments)
    if newton is None:
        return None, 0
    step, slope = newton
    value, residual = totals.value(potential, moments), totals.residual(potential, moments.log_shares)
    for halvings in range(min(_HALVINGS, passes)):
        length = 0.5**halvings
        trial = potential + length * step
        ahead = take_pass(trial, True)
        gains = totals.value(trial, ahead) >= value + 1e-4 * length * slope
        # Close to the end the gain drowns in rounding, which totals show long before the value does.
        if gains or totals.residual(trial, ahead.log_shares) < residual / 2:
            return (trial, ahead), halvings + 1
    return None, min(_HALVINGS, passes)
