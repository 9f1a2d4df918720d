"""Minimise over unit rows: L-BFGS on the sphere, with a first guess at the curvature from the spread of the images.

Letters: C classes, D embedding width.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

MEMORY = 10  # past steps from which L-BFGS estimates the curvature
SUFFICIENT = 1e-4  # share of the expected decrease that a step must reach (Armijo)
MAX_SHORTENINGS = 10
_ROUNDING = 1e-10  # of |y|^2: with less curvature along a step than this, what is left is rounding

Objective = Callable[[torch.Tensor], tuple[float, torch.Tensor]]  # (C, D) unit rows -> value, (C, D) gradient


@dataclass(frozen=True)
class Descent:
    """Where a descent ended, and how."""

    proxies: torch.Tensor  # (C, D) unit rows
    objective: float
    gradient_norm: float  # length of the gradient along the sphere; 0 at a stationary point
    iterations: int
    converged: bool


def descend(
    objective: Objective, start: torch.Tensor, inverse_curvature: torch.Tensor, tolerance: float, max_iterations: int
) -> Descent:
    """Minimise from a start until the next step is expected to gain, or the last ten gained, less than the tolerance.

    The rows are W = V / |V| with V free, so every iterate has unit rows and no step size is tuned. L-BFGS learns the
    curvature as it goes, from a first guess that treats all classes alike; the guess is what makes it quick, because
    images share one large common direction.

    Args:
        objective: gives value and gradient at (C, D) unit rows; may sum over chunks of images.
        start: (C, D) unit rows; not changed.
        inverse_curvature: (D, D) positive definite, a guess at the inverse second derivative of one row.
        tolerance: decrease of the objective, in its units, that is not worth another step.
        max_iterations: cap on the steps.

    Returns:
        The proxies and how the descent ended; `converged` also where rounding prevents any further decrease.

    Source: Nocedal and Wright 2006, algorithm 7.4, with half the squared Newton decrement as the stopping rule.
    """
    point = start.clone()  # (C, D) V, of any row length
    value, gradient = _along_sphere(objective, point)
    memory = _Memory(inverse_curvature)
    values = deque([value], maxlen=MEMORY + 1)
    for iteration in range(max_iterations):
        direction = -_tangent(memory.newton(gradient), normalize(point, dim=1))  # (C, D)
        slope = float((direction * gradient).sum())
        stalled = len(values) > MEMORY and values[0] - value < tolerance  # what is left of the slope is rounding
        if -slope / 2 < tolerance or stalled:
            return _ended(point, value, gradient, iteration, True)
        step = _line_search(objective, point, direction, value, slope)
        if step is None:
            if not memory.steps:
                return _ended(point, value, gradient, iteration, True)
            memory = _Memory(inverse_curvature)
            continue
        moved, value, next_gradient = step
        memory.learn(moved - point, next_gradient - gradient)
        point, gradient = moved, next_gradient
        values.append(value)
    return _ended(point, value, gradient, max_iterations, False)


class _Memory:
    """The inverse second derivative as estimated from the last steps."""

    def __init__(self, inverse_curvature: torch.Tensor) -> None:
        self.guess = inverse_curvature
        self.scale = 1.0
        self.steps: deque[tuple[torch.Tensor, torch.Tensor, float]] = deque(maxlen=MEMORY)

    def newton(self, gradient: torch.Tensor) -> torch.Tensor:
        """Inverse second derivative times gradient: the two-loop recursion."""
        rest, shares = gradient.clone(), []
        for step, change, curvature in reversed(self.steps):
            shares.append(float((step * rest).sum()) / curvature)
            rest.sub_(change, alpha=shares[-1])
        rest = self.scale * (rest @ self.guess)
        for step, change, curvature in self.steps:
            rest.add_(step, alpha=shares.pop() - float((change * rest).sum()) / curvature)
        return rest

    def learn(self, step: torch.Tensor, change: torch.Tensor) -> None:
        """Remember how the gradient changed along a step; a step along which it did not grow is left out."""
        curvature = float((step * change).sum())
        if curvature > _ROUNDING * float(change.square().sum()):
            self.steps.append((step, change, curvature))
            self.scale = curvature / float((change * (change @ self.guess)).sum())


def _line_search(
    objective: Objective, point: torch.Tensor, direction: torch.Tensor, value: float, slope: float
) -> tuple[torch.Tensor, float, torch.Tensor] | None:
    """Shorten the step until the objective decreases enough; None when it never does, which only rounding can cause."""
    length = 1.0
    for _ in range(MAX_SHORTENINGS):
        trial = point + length * direction
        trial_value, gradient = _along_sphere(objective, trial)
        if trial_value <= value + SUFFICIENT * length * slope:
            return trial, trial_value, gradient
        parabola = -slope * length**2 / (2 * (trial_value - value - slope * length))
        length = min(max(parabola, 0.1 * length), 0.5 * length)
    return None


def _along_sphere(objective: Objective, point: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Value at V / |V|, and its gradient by V: what points along the sphere, shorter where V is long."""
    lengths = point.norm(dim=1, keepdim=True)
    rows = point / lengths
    value, gradient = objective(rows)
    return value, _tangent(gradient, rows) / lengths


def _tangent(vectors: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The part of each vector that is at right angles to its unit row."""
    return vectors - (vectors * rows).sum(dim=1, keepdim=True) * rows


def _ended(point: torch.Tensor, value: float, gradient: torch.Tensor, iterations: int, converged: bool) -> Descent:
    lengths = point.norm(dim=1, keepdim=True)
    return Descent(normalize(point, dim=1), value, float((gradient * lengths).norm()), iterations, converged)
