"""The cross-entropy that multimodal proxies minimise, with its gradient, as sums over chunks of images.

Letters: N images, C classes, D embedding width, n rows of a chunk. Nothing of size N is kept.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from zsderm.proxies.chunks import FeatureChunks

HARD_LABEL = 0.6  # alpha in KPL (arXiv 2501.11231)
_RIDGE = 3.0  # average eigenvalues; between 0.3 and 30, descents were shortest here, by up to a half


class CrossEntropy:
    """Mean of cross-entropy(labels, softmax(x @ W.T / temperature)) over images x, and its gradient by the proxies W.

    Labels meet the images once, before the descent: the mean is
    mean(logsumexp(x @ W.T / temperature)) - sum(W * G), where G = labels.T @ x / (N * temperature).

    Attributes:
        images: (N, D), centred where that was asked for.
        centre: (D,) float32, the mean image that was subtracted from all images; zeros without centring.
        dtype: of the gradient, and of the proxies in the descent: that of the features where they are one chunk,
            float64 where sums run over several.
        passes: how often all images were read.
    """

    def __init__(
        self,
        chunks: FeatureChunks,
        labels: Callable[[torch.Tensor], torch.Tensor],
        temperature: float,
        *,
        centre: bool = False,
        hard_label: float = HARD_LABEL,
    ) -> None:
        """Make the one pass that needs labels.

        Args:
            chunks: (N, D) image features.
            labels: gives the labels (n, C) of the rows (n, D) of a chunk; rows sum to 1.
            temperature: of the softmax over classes, in units of cosine.
            centre: subtract the mean image from all images.
            hard_label: a label above it becomes one-hot.
        """
        self.passes = 1
        self.temperature = temperature
        self.dtype = torch.float64 if chunks.whole is None else chunks.dtype
        mean = torch.zeros(chunks.width, dtype=torch.float64, device=chunks.device)  # (D,)
        products, shares = mean.new_zeros(()), mean.new_zeros(())  # (C, D), (C,) float64
        for images in chunks.read("labels"):
            hard = harden(labels(images), hard_label).to(images.dtype)  # (n, C)
            products = products + (hard.T @ images).double() / len(chunks)
            shares = shares + hard.sum(dim=0).double() / len(chunks)
            mean += images.sum(dim=0) / len(chunks)
        self.centre = (mean if centre else torch.zeros_like(mean)).float()  # (D,)
        self.images = chunks.centred(self.centre) if centre else chunks
        at_labels = products - shares[:, None] * self.centre  # (C, D)
        self._label_gradient = (at_labels / temperature).to(self.dtype)  # (C, D) G

    def __call__(self, proxies: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Value in nats and (C, D) gradient at (C, D) unit rows."""
        self.passes += 1
        scaled = (proxies / self.temperature).to(self.images.dtype)  # (C, D)
        per_image = 1.0 / (len(self.images) * self.temperature)
        value, gradient = 0.0, -self._label_gradient
        for images in self.images.read(f"proxies, pass {self.passes}"):
            weights = images @ scaled.T  # (n, C) logits
            highest = weights.amax(dim=1, keepdim=True)
            total = weights.sub_(highest).exp_().sum(dim=1, keepdim=True)
            value += (highest.double() + total.double().log()).sum().item() / len(self.images)
            gradient += weights.mul_(per_image / total).T @ images
        # Both terms see the rows as rounded: then rounding moves the point a little, which near the end changes
        # nothing, and the two terms stay consistent.
        return value - (scaled.double() * self._label_gradient).sum().item() * self.temperature, gradient


def inverse_curvature(images: torch.Tensor, class_count: int, temperature: float) -> torch.Tensor:
    """(D, D) inverse of the second derivative of one proxy where all classes are equally likely.

    That is images.T @ images / (N * C * temperature^2), with average eigenvalues added to all: images differ most
    in a direction that all share, and there the objective is curved less once labels agree.

    Args:
        images: (N, D), all of them or a sample.
        class_count: C.
        temperature: of the softmax over classes.
    """
    second_moment = images.T @ images / len(images)  # (D, D)
    second_moment.diagonal().add_(_RIDGE * second_moment.trace() / len(second_moment) + 1e-12)
    return torch.linalg.inv(second_moment) * (class_count * temperature**2)


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
