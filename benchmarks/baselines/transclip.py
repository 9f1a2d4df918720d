"""TransCLIP, zero-shot: a Gaussian mixture of the images, smoothed over neighbours, kept close to the text labels.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.baselines.neighbours import nearest_images

NEIGHBOURS = 3
CONFIDENT = 8  # images per class that its first mean rests on
ROUNDS = 10  # of means and variances
LABEL_STEPS = 5  # within a round
LIKELIHOOD_WEIGHT = 1 / 50  # of the log-likelihood beside text and neighbours, as the authors' code has it
_FLOOR = 1e-6  # of a variance, and of the weight of a class that lost all its images


def transclip(image_features: torch.Tensor, text_proxies: torch.Tensor, temperature: float = 0.01) -> torch.Tensor:
    """Fit one Gaussian per class to the images, starting from the text labels and kept close to them.

    The labels z maximise LIKELIHOOD_WEIGHT * sum z log N(x | mean, diagonal variance shared by all classes) plus the
    agreement of neighbours, sum over pairs of affinity * z z', minus KL(z | text labels). Each round updates labels,
    means (on the unit sphere) and variances in turn; each of the updates has a closed form.

    Args:
        image_features: (N, D) unit rows.
        text_proxies: (C, D) unit rows.
        temperature: of the softmax behind the text labels, in units of cosine.

    Returns:
        (N, C) probabilities, each row sums to 1.

    Source: Zanella, Gérin and Ben Ayed 2024, Boosting Vision-Language Models with Transduction (arXiv 2406.01837);
    settings of its zero-shot variant.
    """
    images = image_features.double()
    log_text = torch.log_softmax(images @ text_proxies.double().T / temperature, dim=1)  # (N, C)
    labels = log_text.exp()
    affinity = nearest_images(images, NEIGHBOURS) / (2 * NEIGHBOURS)  # (N, N) sparse, each pair counted from both sides
    means = _confident_means(images, labels)
    variance = torch.full_like(images[0], 1 / images.shape[1])  # (D,)
    for round_ in range(ROUNDS + 1):
        fixed = log_text + LIKELIHOOD_WEIGHT * _log_likelihood(images, means, variance)  # (N, C)
        for _ in range(LABEL_STEPS):
            labels = torch.softmax(fixed + affinity @ labels + affinity.T @ labels, dim=1)
        if round_ < ROUNDS:
            means = normalize(labels.T @ images + _FLOOR * means, dim=1)
            variance = _shared_variance(images, means, labels)
    return labels.float()


def _confident_means(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(C, D) unit means of the images that text is surest of, weighted by how sure it is."""
    weights, rows = labels.topk(min(CONFIDENT, len(labels)), dim=0)  # (8, C)
    return normalize((weights[:, :, None] * images[rows]).sum(dim=0), dim=1)


def _log_likelihood(images: torch.Tensor, means: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """(N, C), but for what all classes share."""
    scaled = images / variance
    squared = (images * scaled).sum(dim=1, keepdim=True) - 2 * scaled @ means.T + (means.square() / variance).sum(dim=1)
    return -0.5 * squared


def _shared_variance(images: torch.Tensor, means: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(D,) mean square distance from the class means."""
    share = labels.mean(dim=0)  # (C,)
    cross = (labels.T @ images / len(images) * means).sum(dim=0)  # (D,)
    return (images.square().mean(dim=0) - 2 * cross + share @ means.square()).clamp_min(_FLOOR)
