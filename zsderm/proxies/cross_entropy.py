"""What KPL asks of all images at once, as passes over chunks: class totals, and the cross-entropy of proxies.

Letters: N images, C classes, D embedding width, n rows of a chunk. Nothing of size N is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from zsderm.proxies.chunks import FeatureChunks
from zsderm.proxies.dual import DualGradient, DualSolution, Marginal, dual_gradient, solve_dual


@dataclass(frozen=True)
class TextLabels:
    """Soft labels of any rows, from their text scores and the potentials of the classes."""

    proxies: torch.Tensor  # (C, D) float32 unit rows
    temperature: float
    potentials: torch.Tensor  # (C,) float64; -inf for a class that gets no label

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """(n, C) float64, before the potentials."""
        return (images @ self.proxies.T).double().div_(self.temperature)

    def of(self, images: torch.Tensor) -> torch.Tensor:
        """(n, C) float32, each row sums to 1."""
        return torch.softmax(self.logits(images).add_(self.potentials), dim=1).float()


def text_mix(chunks: FeatureChunks, text: TextLabels) -> torch.Tensor:
    """The class shares (C,) float64 that the text proxies predict."""
    logits = (text.logits(chunk) for chunk in chunks.read("text labels"))
    return dual_gradient(logits, torch.zeros_like(text.potentials), overlap=False).log_shares.exp()


def match_marginal(
    chunks: FeatureChunks, text: TextLabels, mix: torch.Tensor, tolerance: float, max_sweeps: int
) -> tuple[torch.Tensor, DualSolution]:
    """Find the potentials that bring the classes their shares, starting from the potentials of `text`.

    Args:
        chunks: (N, D) image features.
        text: text proxies, and the start.
        mix: (C,) float64 shares, 0 where a class gets no label.
        tolerance: relative error of a class total at which to stop.
        max_sweeps: cap on passes.

    Returns:
        (C,) float64 potentials, and how the iteration ended.
    """
    wanted = mix > 0
    wanted_text = TextLabels(text.proxies[wanted], text.temperature, text.potentials[wanted])

    def take_pass(potential: torch.Tensor, overlap: bool) -> DualGradient:
        logits = (wanted_text.logits(chunk) for chunk in chunks.read("class totals"))
        return dual_gradient(logits, potential, overlap)

    totals = Marginal(mix[wanted].log(), math.inf)
    ending = solve_dual(take_pass, totals, tolerance, max_sweeps, start=wanted_text.potentials, plain_sweeps=0)
    return torch.full_like(mix, -math.inf).masked_scatter_(wanted, ending.potential), ending


class ChunkedCrossEntropy:
    """`proxy_objective` of hardened labels with its gradient, summed over chunks in double precision.

    As in `CrossEntropy`, labels meet the images once: mean cross-entropy is
    mean(logsumexp(x @ W.T / temperature)) - sum(W * attraction), where attraction = labels.T @ x / (N * temperature).
    """

    def __init__(self, chunks: FeatureChunks, labels: TextLabels, temperature: float, *, centre: bool) -> None:
        """Make the one pass that needs labels.

        Args:
            chunks: (N, D) image features.
            labels: makes the labels, which are hardened.
            temperature: of the softmax over classes.
            centre: subtract the mean image from all features.
        """
        self._chunks, self._temperature = chunks, temperature
        self.passes = 1
        products = torch.zeros(labels.proxies.shape, dtype=torch.float64)  # (C, D)
        shares, mean = torch.zeros(len(products), dtype=torch.float64), torch.zeros(chunks.width, dtype=torch.float64)
        for images in chunks.read("labels"):
            hard = harden(labels.of(images))  # (n, C)
            products += hard.T @ images / len(chunks)
            shares += hard.sum(dim=0) / len(chunks)
            mean += images.sum(dim=0) / len(chunks)
        self.centre = (mean if centre else torch.zeros_like(mean)).float()  # (D,)
        self._attraction = (products - shares[:, None] * self.centre) / temperature

    def __call__(self, proxies: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Value in nats and (C, D) float64 gradient at (C, D) unit rows."""
        self.passes += 1
        scaled = (proxies / self._temperature).float()  # (C, D)
        value, products = 0.0, torch.zeros_like(self._attraction)
        for images in self._centred(f"proxies, pass {self.passes}"):
            weights = images @ scaled.T  # (n, C) logits
            highest = weights.amax(dim=1, keepdim=True)
            total = weights.sub_(highest).exp_().sum(dim=1, keepdim=True)
            value += (highest.double() + total.double().log()).sum().item() / len(self._chunks)
            products += weights.div_(total).T @ images
        gradient = products / (len(self._chunks) * self._temperature) - self._attraction
        # Both terms see the rows as rounded: then rounding moves the point, which near the end changes nothing, and
        # does not tear the terms apart.
        return value - (scaled.double() * self._attraction).sum().item() * self._temperature, gradient

    def _centred(self, title: str) -> Iterator[torch.Tensor]:
        centred = bool(self.centre.any())
        for chunk in self._chunks.read(title):
            yield chunk.sub_(self.centre) if centred else chunk


HARD_LABEL = 0.6  # alpha in KPL (arXiv 2501.11231)


_RIDGE = 3.0  # average eigenvalues; between 0.3 and 30, descents were shortest here, by up to a half


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


class CrossEntropy:
    """`proxy_objective` with its gradient, as the descent asks for them: two products with the images and one pass.

    Labels meet the images once, before the descent: mean cross-entropy is
    mean(logsumexp(x @ W.T / temperature)) - sum(W * G), where G = labels.T @ images / (N * temperature).
    """

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, temperature: float) -> None:
        self.images = images  # (N, D)
        self.temperature = temperature
        self.per_image = 1.0 / (len(images) * temperature)
        self.potential = labels.T @ images * self.per_image  # (C, D)

    def __call__(self, proxies: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Value in nats and (C, D) gradient at (C, D) unit rows."""
        weights = self.images @ (proxies / self.temperature).T  # (N, C) logits
        highest = weights.amax(dim=1, keepdim=True)
        weights.sub_(highest).exp_()
        total = weights.sum(dim=1, keepdim=True)
        attained = (proxies.double() * self.potential).sum()
        value = (highest.double() + total.double().log()).mean() - attained
        weights.mul_(self.per_image / total)
        return float(value), weights.T @ self.images - self.potential

    def inverse_curvature(self) -> torch.Tensor:
        """(D, D) inverse of the second derivative of one proxy where all classes are equally likely.

        That is images.T @ images / (N * C * temperature^2), with average eigenvalues added to all: images differ most
        in a direction that all share, and there the labels soon agree and bend the objective less.
        """
        second_moment = self.images.T @ self.images / len(self.images)  # (D, D)
        second_moment.diagonal().add_(_RIDGE * second_moment.trace() / len(second_moment) + 1e-12)
        return torch.linalg.inv(second_moment) * (len(self.potential) * self.temperature**2)
