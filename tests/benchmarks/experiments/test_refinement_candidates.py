"""Candidates for refinement: each agrees with a slow, obvious twin, or with the formula that it is."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.experiments.refinement_candidates import (
    CANDIDATES,
    FolderImages,
    HomeMeans,
    anchored_gaussians,
    home_offsets,
    learned_mix,
    mixture_labels,
    smoothed,
    stated_mix,
    text_labels,
    views_averaged,
)
from zsderm.proxies import smooth_labels
from zsderm.proxies.mixture import fit_mixture
from zsderm.proxies.prior import estimate_prior


def folder(images: int = 40, classes: int = 3, width: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Images around their classes, and text proxies that see these classes through noise."""
    generator = torch.Generator().manual_seed(1)
    gap, centres = 12 * torch.randn(width, generator=generator), torch.randn(classes, width, generator=generator)
    noise = torch.randn(images, width, generator=generator)
    features = gap + centres[torch.arange(images) % classes] + 0.7 * noise
    wrong = 0.7 * torch.randn(classes, width, generator=generator)
    return normalize(features, dim=1), normalize(gap + centres + wrong, dim=1)


def slow_gaussians(
    features: np.ndarray, proxies: np.ndarray, alpha: float, hard: bool, shares: bool, temperature: float
) -> np.ndarray:
    """StatA without graph, image by image and class by class."""
    count, classes = len(features), len(proxies)
    text = np.array([[math.exp(float(f @ t) / temperature) for t in proxies] for f in features])
    text /= text.sum(axis=1, keepdims=True)
    labels, means = text.copy(), proxies.copy()
    start = sum(labels[i, k] * (features[i] - proxies[k]) ** 2 for i in range(count) for k in range(classes)) / count
    variances, weights = [start] * classes, np.ones(classes)
    for _ in range(10):
        for i in range(count):
            logs = [
                math.log(text[i, k])
                + math.log(weights[k])
                - float(((features[i] - means[k]) ** 2 / variances[k] + np.log(variances[k])).sum()) / 2 / 50
                for k in range(classes)
            ]
            odds = np.exp(np.array(logs) - max(logs))
            labels[i] = odds / odds.sum()
        if shares:
            weights = labels.sum(axis=0) / count
        for k in range(classes):
            own = float((labels.argmax(axis=1) == k).sum()) if hard else float(labels[:, k].sum())
            trust = own / (own + alpha)
            centre = sum(labels[i, k] * features[i] for i in range(count))
            mean = trust * centre / np.linalg.norm(centre) + (1 - trust) * proxies[k]
            means[k] = mean / np.linalg.norm(mean)
            spread = sum(labels[i, k] * (features[i] - means[k]) ** 2 for i in range(count)) / labels[:, k].sum()
            variances[k] = trust * spread + (1 - trust) * (start + (proxies[k] - means[k]) ** 2)
    return labels


@pytest.mark.parametrize(
    ("alpha", "hard", "shares", "temperature"),
    [(1.0, True, False, 0.01), (10.0, True, False, 0.05), (1.0, False, False, 0.2), (1.0, False, True, 0.2)],
)
def test_anchored_gaussians_agree_with_loops(alpha: float, hard: bool, shares: bool, temperature: float) -> None:
    features, proxies = folder()
    found = anchored_gaussians(features, proxies, alpha=alpha, hard=hard, shares=shares, temperature=temperature)
    wanted = slow_gaussians(features.double().numpy(), proxies.double().numpy(), alpha, hard, shares, temperature)
    # A class has 1e-3 of an image more in the shares than the twin gives it.
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-3 if shares else 1e-6)
    assert (found - text_labels(features, proxies, temperature)).abs().max() > 1e-3


def test_an_anchor_that_outweighs_all_images_leaves_classes_where_the_text_has_them() -> None:
    features, proxies = folder(200)
    heavy = anchored_gaussians(features, proxies, alpha=1e12, temperature=0.2)
    first = anchored_gaussians(features, proxies, rounds=1, temperature=0.2)
    np.testing.assert_allclose(heavy, first, atol=1e-9)
    assert (anchored_gaussians(features, proxies, temperature=0.2) - first).abs().max() > 1e-2


def slow_density(place: np.ndarray, mean: np.ndarray, covariance: np.ndarray, spread: float) -> float:
    """Log density of Student's t with 30 degrees of freedom, up to what all classes share."""
    away = place - mean
    squared = float(away @ np.linalg.inv(covariance) @ away)
    width = len(place)
    return -(30 + width) / 2 * math.log(1 + squared / (30 * spread)) - width / 2 * math.log(spread)


def test_mixture_labels_agree_with_loops() -> None:
    features, proxies = folder(64)
    images = FolderImages(features, features)
    components = images.components(3)
    assert len(images.distinct) == 64
    text = text_labels(features, proxies)
    labels = text.clone()
    for _ in range(21):
        mixture = fit_mixture(components[images.distinct], labels[images.distinct], damping=0.1)
        covariance = (mixture.factor @ mixture.factor.T).numpy()
        for i in range(64):
            logs = torch.tensor(
                [
                    slow_density(components[i].numpy(), mixture.means[k].numpy(), covariance, float(mixture.spread[k]))
                    + float(mixture.log_shares[k])
                    + 0.3 * math.log(max(1e-6, float(text[i, k])))
                    for k in range(3)
                ]
            )
            labels[i] = torch.softmax(logs.double(), dim=0)
    np.testing.assert_allclose(mixture_labels(images, proxies, anchor=0.3).numpy(), labels.numpy(), atol=1e-4)


def test_copies_count_as_one_image_in_the_mixture() -> None:
    features, proxies = folder(64)
    copied = torch.cat([features, features[:1].expand(30, -1)])
    alone = mixture_labels(FolderImages(features, features), proxies)
    np.testing.assert_allclose(mixture_labels(FolderImages(copied, copied), proxies)[:64], alone, atol=1e-6)


def test_labels_of_a_learned_mix_have_the_mix_that_auto_learns() -> None:
    features, proxies = folder(80)
    images = FolderImages(features, features)
    rows = images.distinct
    mix = estimate_prior(images.components(3)[rows], text_labels(features, proxies)[rows], anchor=1.0)
    np.testing.assert_allclose(learned_mix(images, proxies).mean(dim=0), mix, atol=1e-5)


@pytest.mark.parametrize("power", [0.0, 0.8, 1.0])
def test_labels_of_a_stated_mix_have_the_predicted_mix_to_that_power(power: float) -> None:
    features, proxies = folder()
    text = text_labels(features, proxies)
    wanted = text.mean(dim=0) ** power
    found = stated_mix(features, proxies, power=power)
    np.testing.assert_allclose(found.mean(dim=0), wanted / wanted.sum(), atol=1e-5)
    if power == 1:
        np.testing.assert_allclose(found, text, atol=1e-4)


def test_smoothed_labels_are_those_of_lata() -> None:
    features, proxies = folder()
    assert torch.equal(
        smoothed(features, proxies).float(), smooth_labels(features, text_labels(features, proxies), 0.3)
    )


def test_home_offsets_take_off_what_home_scores_and_do_not_see_the_folder() -> None:
    features, proxies = folder()
    home = features.mean(dim=0)
    found = home_offsets(features, proxies, home)
    for row, feature in enumerate(features):
        logits = [float((feature - home).double() @ proxy.double()) / 0.01 for proxy in proxies]
        odds = np.exp(np.array(logits) - max(logits))
        np.testing.assert_allclose(found[row], odds / odds.sum(), atol=1e-5)
    np.testing.assert_allclose(home_offsets(features[:3], proxies, home), found[:3], atol=1e-12)
    assert torch.equal(home_offsets(features, proxies, None), text_labels(features, proxies))
    assert torch.allclose(home_offsets(features, proxies, home, share=0.0), text_labels(features, proxies))


def test_home_candidates_take_their_own_mean_and_the_share_that_they_name() -> None:
    features, proxies = folder()
    images, means = FolderImages(features, features), HomeMeans(features[:5].mean(dim=0), features[5:].mean(dim=0))
    for name, mean, share in (
        ("home offsets", means.classes, 1.0),
        ("home offsets, half", means.classes, 0.5),
        ("home mean", means.tables, 1.0),
        ("home mean, half", means.tables, 0.5),
    ):
        found = CANDIDATES[name](images, proxies, means)
        assert torch.equal(found, home_offsets(features, proxies, mean, share=share))
        assert torch.equal(CANDIDATES[name](images, proxies, HomeMeans()), text_labels(features, proxies))


def test_averaged_views_agree_with_loops() -> None:
    features, proxies = folder()
    mirrored = normalize(
        features + 0.3 * torch.randn(features.shape, generator=torch.Generator().manual_seed(2)), dim=1
    )
    found = views_averaged(features, mirrored, proxies)
    for row, (one, other) in enumerate(zip(features.double().numpy(), mirrored.double().numpy(), strict=True)):
        both = (one + other) / 2
        logits = [float(both / np.linalg.norm(both) @ proxy) / 0.01 for proxy in proxies.double().numpy()]
        odds = np.exp(np.array(logits) - max(logits))
        np.testing.assert_allclose(found[row], odds / odds.sum(), atol=1e-4)
    np.testing.assert_allclose(views_averaged(features, features, proxies), text_labels(features, proxies), atol=1e-4)
    assert torch.equal(CANDIDATES["views averaged"](FolderImages(features, mirrored), proxies, HomeMeans()), found)


@pytest.mark.parametrize("name", CANDIDATES)
@pytest.mark.parametrize("images", [16, 90])
def test_every_candidate_gives_rows_that_sum_to_one_whatever_the_order_of_images(name: str, images: int) -> None:
    features, proxies = folder(images)
    home = HomeMeans(features[:5].mean(dim=0), features[5:9].mean(dim=0))
    order, mirrored = torch.randperm(images, generator=torch.Generator().manual_seed(0)), features.flip(0)
    candidate: Callable[..., torch.Tensor] = CANDIDATES[name]
    labels = candidate(FolderImages(features, mirrored), proxies, home)
    assert labels.shape == (images, 3) and labels.dtype == torch.float64
    np.testing.assert_allclose(labels.sum(dim=1), 1, atol=1e-6)
    again = candidate(FolderImages(features[order], mirrored[order]), proxies, home)
    np.testing.assert_allclose(again, labels[order], atol=1e-4)
