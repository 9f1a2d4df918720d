"""Class proxies that have seen the images: the text proxies moved to where the labelled images lie.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize

from zsderm.errors import ConvergenceWarning, SettingsError
from zsderm.proxies.arrays import Array, check_positive, finite_rows

PROXY_TEMPERATURE = 0.04  # tau_i in KPL (arXiv 2501.11231)
HARD_LABEL = 0.6  # alpha in KPL (arXiv 2501.11231)
TOLERANCE = 1e-6  # relative change of the objective at which the descent stops
MAX_ITERATIONS = 500


@dataclass(frozen=True)
class LearnedProxies:
    """Proxies, and how the descent that made them ended."""

    proxies: torch.Tensor  # (C, D) float32 unit rows
    centre: torch.Tensor  # (D,) float32, to be subtracted from features before scoring; zeros without centring
    objective: float  # mean cross-entropy in nats
    iterations: int
    converged: bool


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
    L-BFGS with strong Wolfe line search, on W = V / |V|, so no step size is tuned and every iterate has unit rows.

    Args:
        image_features: (N, D) unit rows, any float type.
        text_proxies: (C, D) unit rows, the start.
        labels: (N, C) rows that sum to 1.
        temperature: of the softmax over classes, in units of cosine.
        hard_label: a label above it becomes one-hot; 1 keeps all labels soft.
        centre: subtract the mean image first, so that proxies tell images apart rather than images from text.
        tolerance: relative change of the objective at which the descent stops.
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
    learned = _descend(images, start, harden(targets, hard_label), temperature, tolerance, max_iterations)
    proxies, objective, iterations, converged = learned
    if not converged:
        warnings.warn(
            f"Multimodal proxies stopped at their cap of {iterations} iterations with objective {objective:.6f}. "
            "They can be used; raise max_iterations to go on.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return LearnedProxies(proxies, mean_image, objective, iterations, converged)


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


def _descend(
    images: torch.Tensor,
    start: torch.Tensor,
    labels: torch.Tensor,
    temperature: float,
    tolerance: float,
    max_iterations: int,
) -> tuple[torch.Tensor, float, int, bool]:
    directions = start.clone().requires_grad_(True)  # (C, D), any length
    solver = torch.optim.LBFGS(
        [directions],
        max_iter=max_iterations,
        max_eval=2 * max_iterations,
        tolerance_grad=tolerance,
        tolerance_change=tolerance,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> torch.Tensor:
        solver.zero_grad()
        value = proxy_objective(images, normalize(directions, dim=1), labels, temperature)
        value.backward()
        return value

    with torch.enable_grad():
        solver.step(closure)
    iterations = int(solver.state[directions]["n_iter"])
    with torch.no_grad():
        proxies = normalize(directions, dim=1)
        objective = float(proxy_objective(images, proxies, labels, temperature))
    return proxies.detach(), objective, iterations, iterations < max_iterations


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
