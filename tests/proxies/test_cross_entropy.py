"""The cross-entropy as sums over chunks: the same numbers as all images at once, whatever the cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import normalize

from zsderm.proxies.chunks import FeatureChunks
from zsderm.proxies.cross_entropy import CrossEntropy, harden
from zsderm.proxies.multimodal import proxy_objective


def skin(images: int = 200, classes: int = 5, width: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit rows (N, D) and (C, D), a modality gap apart."""
    generator = torch.Generator().manual_seed(0)
    gap, means = torch.randn(1, width, generator=generator), torch.randn(classes, width, generator=generator)
    noise = torch.randn(images, width, generator=generator)
    features = normalize(gap + 0.5 * means[torch.arange(images) % classes] + noise, dim=1)
    return features, normalize(means - gap + torch.randn(classes, width, generator=generator), dim=1)


def text_labels(text: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    potentials = torch.linspace(-1, 1, len(text), dtype=torch.float64)
    return lambda images: torch.softmax((images @ text.T).double() / 0.01 + potentials, dim=1).float()


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("chunk_size", [1, 33, 200])
def test_value_and_gradient_are_those_of_all_images_at_once(chunk_size: int, centre: bool) -> None:
    features, text = skin()
    labels = text_labels(text)
    hard = harden(labels(features)).double()
    problem = CrossEntropy(FeatureChunks(features, chunk_size), labels, 0.04, centre=centre)
    proxies = text.double().requires_grad_(True)
    slow = proxy_objective((features - problem.centre).double(), proxies, hard)
    slow.backward()
    value, gradient = problem(text.to(problem.dtype))
    assert problem.dtype == gradient.dtype == (torch.float32 if chunk_size == 200 else torch.float64)
    assert value == pytest.approx(slow.item(), abs=1e-5)
    torch.testing.assert_close(gradient.double(), proxies.grad, atol=1e-5, rtol=1e-4)


def test_the_gradient_is_the_slope_of_the_value() -> None:
    features, text = skin()
    problem = CrossEntropy(FeatureChunks(features, 50), text_labels(text), 0.04, centre=True)
    direction = torch.randn(text.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ahead, behind = (problem(text.double() + sign * 1e-3 * direction)[0] for sign in (1, -1))
    slope = (problem(text.double())[1] * direction).sum().item()
    assert (ahead - behind) / 2e-3 == pytest.approx(slope, rel=1e-3)


def test_centring_subtracts_the_mean_image() -> None:
    features, text = skin()
    chunks = FeatureChunks(features, 33)
    centred, plain = (CrossEntropy(chunks, text_labels(text), 0.04, centre=c) for c in (True, False))
    torch.testing.assert_close(centred.centre, features.mean(dim=0))
    assert torch.equal(plain.centre, torch.zeros(16))


def test_features_are_never_changed_in_place() -> None:
    features, text = skin()
    before = features.clone()
    problem = CrossEntropy(FeatureChunks(features, 33), text_labels(text), 0.04, centre=True)
    problem(text.double())
    assert torch.equal(features, before)


def test_every_look_at_the_images_counts_as_a_pass() -> None:
    features, text = skin()
    said: list[str] = []
    chunks = FeatureChunks(features, 1000, lambda title, done: said.append(title))
    problem = CrossEntropy(chunks, text_labels(text), 0.04, centre=False)
    problem(text.double())
    problem(text.double())
    assert problem.passes == len(said) == 3
