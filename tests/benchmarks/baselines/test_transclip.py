"""TransCLIP: the closed-form updates against slow loops, and neighbours that change a mind."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.baselines.transclip import (
    CONFIDENT,
    _confident_means,
    _log_likelihood,
    _shared_variance,
    transclip,
)


def drawn(images: int = 12, classes: int = 3, width: int = 5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = normalize(torch.randn(images, width, generator=generator, dtype=torch.float64), dim=1)
    labels = torch.softmax(torch.randn(images, classes, generator=generator, dtype=torch.float64), dim=1)
    return features, labels, normalize(torch.randn(classes, width, generator=generator, dtype=torch.float64), dim=1)


def test_variance_is_the_mean_square_distance_from_the_class_means() -> None:
    images, labels, means = drawn()
    slow = torch.zeros(5, dtype=torch.float64)
    for image, row in zip(images, labels, strict=True):
        for weight, mean in zip(row, means, strict=True):
            slow += weight * (image - mean) ** 2 / len(images)
    torch.testing.assert_close(_shared_variance(images, means, labels), slow)


def test_log_likelihood_is_that_of_a_gaussian_but_for_what_classes_share() -> None:
    images, labels, means = drawn()
    variance = _shared_variance(images, means, labels)
    fast = _log_likelihood(images, means, variance)
    for n, c in [(0, 0), (3, 2), (11, 1)]:
        gaussian = torch.distributions.Normal(means[c], variance.sqrt()).log_prob(images[n]).sum()
        other = torch.distributions.Normal(means[0], variance.sqrt()).log_prob(images[n]).sum()
        torch.testing.assert_close(fast[n, c] - fast[n, 0], gaussian - other)


def test_first_means_rest_on_the_images_that_text_is_surest_of() -> None:
    images, labels, _ = drawn()
    surest = labels[:, 1].argsort(descending=True)[:CONFIDENT]
    slow = normalize((labels[surest, 1:2] * images[surest]).sum(dim=0), dim=0)
    torch.testing.assert_close(_confident_means(images, labels)[1], slow)


def test_neighbours_outvote_an_unsure_text() -> None:
    """Twelve images of one tight cluster, one of which the text proxies would put, barely, on the other side."""
    generator = torch.Generator().manual_seed(0)
    side = torch.tensor([1.0] * 12 + [-1.0] * 12)[:, None]
    images = torch.cat([side, 0.05 * torch.randn(24, 3, generator=generator)], dim=1)
    images[0, 1:] = torch.tensor([0.6, 0.0, 0.0])
    images = normalize(images, dim=1)
    text = normalize(torch.tensor([[0.02, 0.0, 0.0, 1.0], [-0.02, 0.07, 0.0, 1.0]]), dim=1)
    assert (images @ text.T)[0].argmax() == 1
    assert transclip(images, text)[0].argmax() == 0
