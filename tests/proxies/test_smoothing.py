"""Smoothed labels: what the formula says, copies that count once, and no order that matters."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from zsderm.errors import SettingsError
from zsderm.proxies import NeighbourGraph, smooth_labels
from zsderm.proxies.guard import NEAR_DUPLICATE, distinct_images


def folder(images: int = 60, classes: int = 4, width: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, D) unit rows around some centres, and (N, C) labels that are often right about them."""
    generator = torch.Generator().manual_seed(seed)
    true = torch.arange(images) % classes
    centres = torch.randn(classes, width, generator=generator)
    features = normalize(centres[true] + 0.7 * torch.randn(images, width, generator=generator), dim=1)
    logits = torch.randn(images, classes, generator=generator) + 1.5 * torch.eye(classes)[true]
    return features, torch.softmax(logits, dim=1)


def slow_twin(features: torch.Tensor, alone: torch.Tensor, gamma: float, neighbours: int, steps: int) -> torch.Tensor:
    """The formula, image by image."""
    rows = features.double()
    count = len(rows)
    mean = rows.mean(dim=0)
    least = NEAR_DUPLICATE * 2 * sum(float((row - mean).square().sum()) for row in rows) / count
    distinct = set(distinct_images(features).tolist())
    nearest: list[list[tuple[float, int]]] = []
    for one in range(count):
        squared = [(float((rows[one] - rows[other]).square().sum()), other) for other in sorted(distinct)]
        nearest.append(sorted(pair for pair in squared if pair[0] > least)[:neighbours])
    distances = sorted(math.sqrt(squared) for near in nearest for squared, _ in near)
    sigma = distances[(len(distances) - 1) // 2] if distances else 1.0
    labels = alone.double()
    for _ in range(steps):
        following = torch.empty_like(labels)
        for one, near in enumerate(nearest):
            drawn = sum((math.exp(-squared / sigma**2) * labels[j] for squared, j in near), torch.zeros(len(labels[0])))
            weights = alone[one].double() * torch.exp(gamma * drawn)
            following[one] = weights / weights.sum()
        labels = following
    return labels


@pytest.mark.parametrize(("images", "neighbours", "gamma"), [(60, 5, 0.3), (60, 3, 1.0), (4, 5, 0.3), (2, 5, 0.5)])
def test_it_agrees_with_the_formula_image_by_image(images: int, neighbours: int, gamma: float) -> None:
    features, alone = folder(images)
    found = smooth_labels(features, alone, gamma, neighbours=neighbours, steps=8)
    expected = slow_twin(features, alone, gamma, neighbours, 8)
    assert torch.allclose(found.double(), expected, atol=2e-6)
    assert (found - alone).abs().max() > 1e-3


def test_it_agrees_with_the_formula_where_some_images_are_near_copies() -> None:
    features, alone = folder(40)
    shaken = normalize(features[:15] + 1e-3 * torch.randn(15, 12, generator=torch.Generator().manual_seed(9)), dim=1)
    both, labels = torch.cat([features, shaken]), torch.cat([alone, alone[:15]])
    assert len(distinct_images(both)) < len(both)
    assert torch.allclose(smooth_labels(both, labels, 0.5).double(), slow_twin(both, labels, 0.5, 5, 8), atol=2e-6)


def test_each_row_sums_to_1_and_nothing_given_is_changed() -> None:
    features, alone = folder()
    before = features.clone(), alone.clone()
    found = smooth_labels(features, alone, 0.3)
    assert found.dtype == torch.float32
    assert torch.allclose(found.sum(dim=1), torch.ones(60))
    assert torch.equal(features, before[0]) and torch.equal(alone, before[1])


def test_the_order_of_the_images_changes_nothing_to_the_last_bit() -> None:
    features, alone = folder(500, width=48)
    features, alone = torch.cat([features, features[:40]]), torch.cat([alone, alone[:40]])
    found = smooth_labels(features, alone, 0.3)
    for seed in range(3):
        order = torch.randperm(540, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(smooth_labels(features[order], alone[order], 0.3), found[order])


def test_gamma_0_changes_nothing() -> None:
    features, alone = folder()
    assert torch.equal(smooth_labels(features, alone, 0.0), alone)


def test_one_image_or_copies_of_one_keep_their_labels() -> None:
    features, alone = folder(1)
    assert torch.equal(smooth_labels(features, alone, 1.0), alone)
    copies = smooth_labels(features.repeat(30, 1), alone.repeat(30, 1), 1.0)
    assert torch.allclose(copies, alone.repeat(30, 1), atol=1e-6)


def test_copies_have_the_same_labels_and_do_not_confirm_each_other() -> None:
    features, alone = folder(80)
    copied, labels = torch.cat([features, features[:1].repeat(30, 1)]), torch.cat([alone, alone[:1].repeat(30, 1)])
    graph = NeighbourGraph.of(copied)
    copies = {0, *range(80, 110)}
    for one in copies:
        kept = graph.neighbours[one][graph.weights[one] > 0].tolist()
        assert kept and not copies & set(kept)
    for one in range(1, 80):  # of the copies one at most is a neighbour of another image
        assert len(copies & set(graph.neighbours[one].tolist())) <= 1
    found = smooth_labels(copied, labels, 0.3)
    assert torch.equal(found[80:], found[:1].repeat(30, 1))


def test_a_probability_of_0_stays_0() -> None:
    features, alone = folder()
    alone = alone.clone()
    alone[:, 2] = 0
    alone = alone / alone.sum(dim=1, keepdim=True)
    found = smooth_labels(features, alone, 1.0)
    assert (found[:, 2] == 0).all() and found.isfinite().all()


def test_smoothing_mends_labels_that_are_wrong_by_chance() -> None:
    features, alone = folder(400)
    true = torch.arange(400) % 4
    before, after = (
        (rows.argmax(dim=1) == true).double().mean() for rows in (alone, smooth_labels(features, alone, 1))
    )
    assert after > before + 0.05


def test_the_search_goes_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    features, alone = folder(300, width=32)
    whole = smooth_labels(features, alone, 0.3)
    monkeypatch.setattr("zsderm.proxies.smoothing._DISTANCES", 7 * 300)
    monkeypatch.setattr("zsderm.proxies.guard._DISTANCES", 11 * 300)
    assert torch.allclose(smooth_labels(features, alone, 0.3), whole, atol=1e-6)


def test_weights_are_of_the_median_distance_and_fall_with_the_distance() -> None:
    features, _ = folder(200)
    graph = NeighbourGraph.of(features, 5)
    assert graph.neighbours.shape == graph.weights.shape == (200, 5)
    assert (graph.weights.diff(dim=1) <= 0).all()
    assert graph.weights.median().item() == pytest.approx(math.exp(-1), abs=1e-3)
    assert not (graph.neighbours == torch.arange(200)[:, None]).any()


@pytest.mark.parametrize("gamma", [-0.1, math.nan, math.inf])
def test_a_gamma_that_is_none_is_refused(gamma: float) -> None:
    with pytest.raises(SettingsError, match="gamma"):
        smooth_labels(*folder(), gamma)


def test_parts_that_do_not_fit_are_refused() -> None:
    features, alone = folder()
    with pytest.raises(SettingsError, match="60 images, but got 59"):
        smooth_labels(features, alone[:59], 0.3)
    with pytest.raises(SettingsError, match="which sum to 1"):
        smooth_labels(features, 2 * alone, 0.3)
    with pytest.raises(SettingsError, match="neighbours"):
        smooth_labels(features, alone, 0.3, neighbours=0)
    with pytest.raises(SettingsError, match="finite"):
        smooth_labels(features * math.nan, alone, 0.3)
