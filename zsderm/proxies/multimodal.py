"""Multimodal proxies: the text proxies moved to where the labelled images lie.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from zsderm.arrays import Array, check_positive, finite_rows
from zsderm.config import Settings
from zsderm.errors import ConvergenceWarning, SettingsError
from zsderm.proxies.chunks import FeatureChunks
from zsderm.proxies.cross_entropy import HARD_LABEL, CrossEntropy, inverse_curvature
from zsderm.proxies.sphere_descent import descend

PROXY_TEMPERATURE = Settings.proxy_temperature
TOLERANCE = 1e-7  # nats; the objective then lies within 1e-4 of its minimum
MAX_ITERATIONS = 500


@dataclass(frozen=True)
class LearnedProxies:
    """Proxies, and how the descent that made them ended."""

    proxies: torch.Tensor  # (C, D) float32 unit rows
    centre: torch.Tensor  # (D,) float32, to be subtracted from features before scoring; zeros without centring
    objective: float  # mean cross-entropy in nats
    iterations: int
    converged: bool
    gradient_norm: float = math.nan  # length of the gradient along the sphere; 0 at a stationary point


def multimodal_proxies(
    image_features: Array, text_proxies: Array, labels: Array, temperature: float = PROXY_TEMPERATURE
) -> torch.Tensor:
    """Move the text proxies to where the labelled images lie.

    Args:
        image_features: (N, D) unit rows, any float type; not changed.
        text_proxies: (C, D) unit rows, the start.
        labels: (N, C) rows that sum to 1; not changed.
        temperature: of the softmax over classes, in units of cosine.

    Returns:
        (C, D) float32 unit rows.

    Raises:
        SettingsError: when shapes do not fit together, or values are not finite.

    Warns:
        ConvergenceWarning: when the descent met its cap of iterations.

    Source: KPL (arXiv 2501.11231), the multimodal proxies.
    """
    return learn_proxies(image_features, text_proxies, labels, temperature).proxies


def learn_proxies(
    image_features: Array,
    text_proxies: Array,
    labels: Array,
    temperature: float = PROXY_TEMPERATURE,
    *,
    hard_label: float = HARD_LABEL,
    centre: bool = False,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
) -> LearnedProxies:
    """The same as `multimodal_proxies`, with all settings, and with how the descent ended.

    It minimises the mean over images of cross-entropy(labels, softmax(x @ W.T / temperature)) over unit rows W by
    L-BFGS on the sphere, whose first guess at the curvature is the spread of the images. It stops when the next step
    is expected to gain less than the tolerance, near a stationary point; the gradient there is reported.

    Args:
        image_features: (N, D) unit rows, any float type.
        text_proxies: (C, D) unit rows, the start.
        labels: (N, C) rows that sum to 1.
        temperature: of the softmax over classes, in units of cosine.
        hard_label: a label above it becomes one-hot; 1 keeps all labels soft.
        centre: subtract the mean image first, so that proxies separate images from images and not images from text.
        tolerance: decrease of the objective, in nats, that is not worth another step; below 1e-7 it costs float64.
        max_iterations: cap on the descent.

    Returns:
        The proxies with the objective, the iterations and whether they were enough.

    Raises:
        SettingsError: when shapes do not fit together, values are not finite, or the temperature is not positive.

    Warns:
        ConvergenceWarning: when the descent met its cap of iterations.
    """
    precise = torch.float64 if tolerance < TOLERANCE else torch.float32  # below it, rounding to float32 is larger
    images, start, targets = _checked(image_features, text_proxies, labels, temperature)
    chunks = FeatureChunks(images, None, dtype=precise)
    problem = CrossEntropy(chunks, lambda _: targets, temperature, centre=centre, hard_label=hard_label)
    return fit_proxies(problem, start, images - problem.centre, tolerance, max_iterations)


def fit_proxies(
    problem: CrossEntropy, start: torch.Tensor, sample: torch.Tensor, tolerance: float, max_iterations: int
) -> LearnedProxies:
    """Minimise a cross-entropy by L-BFGS on the sphere.

    Args:
        problem: the objective over all images.
        start: (C, D) unit rows.
        sample: (n, D) images, centred as those of the problem, whose spread is the first guess at the curvature.
        tolerance: decrease of the objective, in nats, that is not worth another step.
        max_iterations: cap on the descent.

    Warns:
        ConvergenceWarning: when the descent met its cap of iterations.
    """
    guess = inverse_curvature(sample.to(problem.dtype), len(start), problem.temperature)
    end = descend(problem, start.to(problem.dtype), guess, tolerance, max_iterations)
    if not end.converged:
        warnings.warn(
            f"Multimodal proxies stopped at their cap of {end.iterations} iterations with objective "
            f"{end.objective:.6f}. They can be used; raise max_iterations to go on.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return LearnedProxies(
        end.proxies.float(), problem.centre, end.objective, end.iterations, end.converged, end.gradient_norm
    )


def proxy_objective(
    images: torch.Tensor, proxies: torch.Tensor, labels: torch.Tensor, temperature: float = PROXY_TEMPERATURE
) -> torch.Tensor:
    """Mean cross-entropy of softmax(images @ proxies.T / temperature) against labels, in nats.

    Args:
        images: (N, D).
        proxies: (C, D) unit rows.
        labels: (N, C) rows that sum to 1.
        temperature: of the softmax over classes.

    Returns:
        A scalar, with gradient where the arguments have one.
    """
    log_probabilities = torch.log_softmax(images @ proxies.T / temperature, dim=1)  # (N, C)
    return -(labels * log_probabilities).sum(dim=1).mean()


def _checked(
    image_features: Array, text_proxies: Array, labels: Array, temperature: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    check_positive(temperature=temperature)
    images = finite_rows(image_features, "image features")
    start = finite_rows(text_proxies, "text proxies")
    targets = finite_rows(labels, "labels")
    if images.shape[1] != start.shape[1] or targets.shape != (len(images), len(start)):
        raise SettingsError(
            "Expected image features (N, D), text proxies (C, D) and labels (N, C) that fit together, but got shapes "
            f"{tuple(images.shape)}, {tuple(start.shape)} and {tuple(targets.shape)}."
        )
    return images, normalize(start, dim=1), targets
