"""Sums over chunks: the same numbers as all images at once, whatever the cut."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from zsderm.proxies.chunks import FeatureChunks
from zsderm.proxies.cross_entropy import ChunkedCrossEntropy, CrossEntropy, TextLabels, harden, match_marginal, text_mix
from zsderm.proxies.multimodal import proxy_objective
from zsderm.proxies.transport import transport, transport_labels


def skin(images: int = 200, classes: int = 5, width: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit rows (N, D) and (C, D), a modality gap apart."""
    generator = torch.Generator().manual_seed(0)
    gap, means = torch.randn(1, width, generator=generator), torch.randn(classes, width, generator=generator)
    noise = torch.randn(images, width, generator=generator)
    features = normalize(gap + 0.5 * means[torch.arange(images) % classes] + noise, dim=1)
    return features, normalize(means - gap + torch.randn(classes, width, generator=generator), dim=1)


def text_labels(text: torch.Tensor) -> TextLabels:
    return TextLabels(text, 0.01, torch.linspace(-1, 1, len(text), dtype=torch.float64))


@pytest.mark.parametrize("chunk_size", [1, 33, 200])
def test_labels_are_those_of_transport_and_each_row_sums_to_1(chunk_size: int) -> None:
    features, text = skin()
    plan = transport(features @ text.T, [3.0, 0, 1, 1, 1])
    labels = TextLabels(text, 0.01, plan.potentials)
    streamed = torch.cat([labels.of(chunk) for chunk in FeatureChunks(features, chunk_size).read()])
    torch.testing.assert_close(streamed, plan.labels, atol=1e-5, rtol=0)
    torch.testing.assert_close(streamed.sum(dim=1), torch.ones(200))


@pytest.mark.parametrize("chunk_size", [7, 64, 1000])
@pytest.mark.parametrize("mix", [[1.0, 1, 1, 1, 1], [8.0, 4, 0, 2, 1]])
def test_totals_are_met_with_the_pulls_of_transport(chunk_size: int, mix: list[float]) -> None:
    features, text = skin()
    shares = torch.tensor(mix, dtype=torch.float64) / sum(mix)
    potentials, ending = match_marginal(FeatureChunks(features, chunk_size), text_labels(text), shares, 1e-8, 100)
    assert ending.residual < 1e-8
    wanted = shares > 0
    assert torch.equal(potentials[~wanted], torch.full_like(potentials[~wanted], -math.inf))
    exact = transport(features @ text.T, shares, tolerance=1e-8).potentials[wanted]
    difference = potentials[wanted] - exact
    torch.testing.assert_close(difference, difference.mean().expand_as(difference), atol=1e-4, rtol=0)


def test_the_text_mix_is_the_mean_of_the_softmax() -> None:
    features, text = skin()
    mix = text_mix(FeatureChunks(features, 9), text_labels(text))
    torch.testing.assert_close(mix, torch.softmax((features @ text.T).double() / 0.01, dim=1).mean(dim=0))


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("chunk_size", [1, 33, 200])
def test_value_and_gradient_are_those_of_all_images_at_once(chunk_size: int, centre: bool) -> None:
    features, text = skin()
    labels = text_labels(text)
    hard = harden(labels.of(features))
    problem = ChunkedCrossEntropy(FeatureChunks(features, chunk_size), labels, 0.04, centre=centre)
    centred = features - problem.centre
    value, gradient = problem(text.double())
    whole_value, whole_gradient = CrossEntropy(centred, hard, 0.04)(text)
    assert value == pytest.approx(whole_value, abs=1e-5)
    assert value == pytest.approx(proxy_objective(centred.double(), text.double(), hard.double()).item(), abs=1e-5)
    torch.testing.assert_close(gradient.float(), whole_gradient, atol=1e-5, rtol=1e-4)


def test_the_gradient_is_the_slope_of_the_value() -> None:
    features, text = skin()
    problem = ChunkedCrossEntropy(FeatureChunks(features, 50), text_labels(text), 0.04, centre=True)
    direction = torch.randn(text.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ahead, behind = (problem(text.double() + sign * 1e-3 * direction)[0] for sign in (1, -1))
    slope = (problem(text.double())[1] * direction).sum().item()
    assert (ahead - behind) / 2e-3 == pytest.approx(slope, rel=1e-3)


def test_centring_subtracts_the_mean_image() -> None:
    features, text = skin()
    chunks = FeatureChunks(features, 33)
    centred, plain = (ChunkedCrossEntropy(chunks, text_labels(text), 0.04, centre=c) for c in (True, False))
    torch.testing.assert_close(centred.centre, features.mean(dim=0))
    assert torch.equal(plain.centre, torch.zeros(16))


def test_features_are_never_changed_in_place() -> None:
    features, text = skin()
    before = features.clone()
    problem = ChunkedCrossEntropy(FeatureChunks(features, 33), text_labels(text), 0.04, centre=True)
    problem(text.double())
    assert torch.equal(features, before)


def test_every_look_at_the_images_counts_as_a_pass() -> None:
    features, text = skin()
    said: list[str] = []
    chunks = FeatureChunks(features, 1000, lambda title, done: said.append(title))
    problem = ChunkedCrossEntropy(chunks, text_labels(text), 0.04, centre=False)
    problem(text.double())
    problem(text.double())
    assert problem.passes == len(said) == 3


def test_labels_of_a_common_transport_agree() -> None:
    """A chain of the two: potentials from passes, labels from potentials, against transport in memory."""
    features, text = skin()
    potentials, _ = match_marginal(
        FeatureChunks(features, 60), text_labels(text), torch.full((5,), 0.2, dtype=torch.float64), 1e-6, 100
    )
    labels = TextLabels(text, 0.01, potentials).of(features)
    torch.testing.assert_close(labels, transport_labels(features @ text.T), atol=1e-4, rtol=0)
