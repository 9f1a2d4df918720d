"""Class proxies that have seen the images: the text proxies moved to where the labelled images lie.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from zsderm.errors import ConvergenceWarning, SettingsError
from zsderm.proxies.arrays import Array, check_positive, finite_rows
from zsderm.proxies.descent import descend

PROXY_TEMPERATURE = 0.04  # tau_i in KPL (arXiv 2501.11231)
HARD_LABEL = 0.6  # alpha in KPL (arXiv 2501.11231)
TOLERANCE = 1e-7  # nats; the objective then lies within 1e-4 of its minimum
MAX_ITERATIONS = 500
_RIDGE = 3.0  # average eigenvalues; between 0.3 and 30, descents were shortest here, by up to a half


@dataclass(frozen=True)
class LearnedProxies:
    """Proxies, and how the descent that made them ended."""

    proxies: torch.Tensor  # (C, D) float32 unit rows
    centre: torch.Tensor  # (D,) float32, to be subtracted from features before scoring; zeros without centring
    objective: float  # mean cross-entropy in nats
    iterations: int
    converged: bool
    gradient_norm: float = math.nan  # length of the gradient along the sphere; 0 at a stationary point

    @property
    def largest_cosine(self) -> float:
        """Of any two proxies, -1 with one class: near 1, proxies have collapsed and low precision cannot tell them."""
        cosines = self.proxies @ self.proxies.T  # (C, C)
        return float(cosines.fill_diagonal_(-1.0).max())


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
    """The same as `multimodal_proxies`, with its settings in the open and the story of the descent.

    It minimises the mean over images of cross-entropy(labels, softmax(x @ W.T / temperature)) over unit rows W by
    L-BFGS on the sphere, which first guesses that the objective bends where images spread. It stops when the next
    step promises to gain less than the tolerance, near a stationary point; the gradient there is reported.

    Args:
        image_features: (N, D) unit rows, any float type.
        text_proxies: (C, D) unit rows, the start.
        labels: (N, C) rows that sum to 1.
        temperature: of the softmax over classes, in units of cosine.
        hard_label: a label above it becomes one-hot; 1 keeps all labels soft.
        centre: subtract the mean image first, so that proxies tell images apart rather than images from text.
        tolerance: decrease of the objective, in nats, that is not worth another step; below 1e-7 it costs float64.
        max_iterations: cap on the descent.

    Returns:
        The proxies with the objective, the iterations and whether they were enough.

    Raises:
        SettingsError: when shapes do not fit together, values are not finite, or the temperature is not positive.

    Warns:
        ConvergenceWarning: when the descent met its cap of iterations.
    """
    images, start, targets = _checked(image_features, text_proxies, labels, temperature)
    mean_image = images.mean(dim=0) if centre else torch.zeros_like(images[0])
    images = images - mean_image
    precise = torch.float64 if tolerance < TOLERANCE else torch.float32  # below it, rounding to float32 is larger
    problem = CrossEntropy(images.to(precise), harden(targets, hard_label).to(precise), temperature)
    end = descend(problem, start.to(precise), problem.inverse_curvature(), tolerance, max_iterations)
    if not end.converged:
        warnings.warn(
            f"Multimodal proxies stopped at their cap of {end.iterations} iterations with objective "
            f"{end.objective:.6f}. They can be used; raise max_iterations to go on.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return LearnedProxies(
        end.proxies.float(), mean_image, end.objective, end.iterations, end.converged, gradient_norm=end.gradient_norm
    )


def harden(labels: torch.Tensor, threshold: float = HARD_LABEL) -> torch.Tensor:
    """Make confident labels one-hot, in a new tensor.

    Args:
        labels: (N, C) rows that sum to 1; not changed.
        threshold: a row with an entry above it becomes one-hot.

    Returns:
        (N, C) of the type of `labels`.
    """
    top, winner = labels.max(dim=1, keepdim=True)
    one_hot = torch.zeros_like(labels).scatter_(1, winner, 1.0)
    return torch.where(top > threshold, one_hot, labels)


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


class CrossEntropy:
    """`proxy_objective` with its gradient, as the descent asks for them: two products with the images and one pass.

    Labels meet the images once, before the descent: mean cross-entropy is
    mean(logsumexp(x @ W.T / temperature)) - sum(W * pull), where pull = labels.T @ images / (N * temperature).
    """

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, temperature: float) -> None:
        self.images = images  # (N, D)
        self.temperature = temperature
        self.per_image = 1.0 / (len(images) * temperature)
        self.pull = labels.T @ images * self.per_image  # (C, D)

    def __call__(self, proxies: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Value in nats and (C, D) gradient at (C, D) unit rows."""
        weights = self.images @ (proxies / self.temperature).T  # (N, C) logits
        highest = weights.amax(dim=1, keepdim=True)
        weights.sub_(highest).exp_()
        total = weights.sum(dim=1, keepdim=True)
        attained = (proxies.double() * self.pull).sum()
        value = (highest.double() + total.double().log()).mean() - attained
        weights.mul_(self.per_image / total)
        return float(value), weights.T @ self.images - self.pull

    def inverse_curvature(self) -> torch.Tensor:
        """(D, D) inverse of the second derivative of one proxy where all classes are equally likely.

        That is images.T @ images / (N * C * temperature^2), with average eigenvalues added to all: images differ most
        in a direction that all share, and there the labels soon agree and bend the objective less.
        """
        second_moment = self.images.T @ self.images / len(self.images)  # (D, D)
        second_moment.diagonal().add_(_RIDGE * second_moment.trace() / len(second_moment) + 1e-12)
        return torch.linalg.inv(second_moment) * (len(self.pull) * self.temperature**2)


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
