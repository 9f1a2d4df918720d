"""Refinement as the classifier takes it: told mixes are met, learned ones must earn their place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from zsderm.errors import SettingsError
from zsderm.proxies import Refinement, refine

CLASSES, WIDTH = 6, 48


def folder(
    mix: list[float], images: int = 400, bias: float = 0.1, separation: float = 0.8, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images of the given mix, text proxies some of which are nearer to all images, and the true classes."""
    generator = torch.Generator().manual_seed(seed)
    gap, text_gap = 1.5 * normalize(torch.randn(2, WIDTH, generator=generator), dim=1)
    means = normalize(torch.randn(len(mix), WIDTH, generator=generator), dim=1)
    counts = (torch.tensor(mix) / sum(mix) * images).round().long()
    truth = torch.repeat_interleave(torch.arange(len(mix)), counts)
    noise = torch.randn(len(truth), WIDTH, generator=generator) / WIDTH**0.5
    error = normalize(torch.randn(len(mix), WIDTH, generator=generator), dim=1)
    offset = bias * torch.randn(len(mix), 1, generator=generator) * gap
    return (
        normalize(gap + separation * means[truth] + noise, dim=1),
        normalize(text_gap + means + error + offset),
        truth,
    )


def accuracy(scores: torch.Tensor, truth: torch.Tensor) -> float:
    return (scores.argmax(dim=1) == truth).double().mean().item()


def change(refined: Refinement, images: torch.Tensor, proxies: torch.Tensor, truth: torch.Tensor) -> float:
    return accuracy(refined.scores, truth) - accuracy(images @ proxies.T, truth)


def test_auto_gains_where_clusters_contradict_a_biased_proxy() -> None:
    images, proxies, truth = folder([1] * CLASSES)
    refined = refine(images, proxies)
    assert refined.accepted
    assert refined.prior_name == "estimated"
    assert refined.figures.startswith("+") and "nats an image" in refined.figures
    uniform = refine(images, proxies, "uniform")
    assert uniform.figures == ""
    gain = change(uniform, images, proxies, truth)
    assert gain > 0.08
    assert change(refined, images, proxies, truth) > gain / 2


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "mix",
    [[1] * 6, [67, 11, 11, 5, 3.3, 1.4], [60, 30, 20, 15, 12, 10], [1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]],
    ids=["balanced", "long tail", "zipf", "first class only", "third class only"],
)
@pytest.mark.parametrize("separation", [0.3, 0.8])
def test_auto_never_costs_more_than_one_point_of_accuracy(mix: list[float], separation: float, seed: int) -> None:
    images, proxies, truth = folder(mix, images=250, separation=separation, seed=seed)
    assert change(refine(images, proxies), images, proxies, truth) >= -0.01


@pytest.mark.parametrize("images", [1, 2, 15, 60])
def test_auto_leaves_small_folders_to_the_text_proxies(images: int) -> None:
    features, proxies, _ = folder([1] * CLASSES, images=240)
    features = features[:images]
    refined = refine(features, proxies)
    assert not refined.accepted
    assert refined.prior_name == "text"
    assert refined.reason.startswith(f"only {images} photograph") and refined.reason.endswith(" are needed")
    torch.testing.assert_close(refined.proxies, proxies)
    torch.testing.assert_close(refined.scores, features @ proxies.T)


def test_auto_leaves_a_folder_of_identical_images_to_the_text_proxies() -> None:
    features, proxies, _ = folder([1] * CLASSES)
    refined = refine(features[:1].repeat(150, 1), proxies)
    assert not refined.accepted


def test_fewer_images_than_classes_are_left_to_the_text_proxies() -> None:
    features, proxies, _ = folder([1] * 134, images=134)
    assert not refine(features[:120], proxies).accepted


def test_a_skewed_folder_gains_from_a_mix_that_is_learned_and_loses_by_the_uniform_one() -> None:
    images, proxies, truth = folder([70, 10, 8, 6, 4, 2])
    assert change(refine(images, proxies, "uniform"), images, proxies, truth) < -0.2
    refined = refine(images, proxies)
    assert refined.accepted
    assert refined.prior.max() > 0.5
    assert change(refined, images, proxies, truth) > 0.05


def test_a_folder_of_one_class_keeps_its_text_proxies() -> None:
    images, proxies, truth = folder([1, 0, 0, 0, 0, 0])
    assert change(refine(images, proxies, "uniform"), images, proxies, truth) < -0.2
    refined = refine(images, proxies)
    assert not refined.accepted
    torch.testing.assert_close(refined.scores, images @ proxies.T)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3, 4])
def test_a_class_that_fills_a_folder_with_clusters_of_its_own_is_not_shared_out(seed: int) -> None:
    images, proxies, truth = folder([1, 0, 0, 0, 0, 0], images=300, seed=seed)
    patients = 0.3 * normalize(torch.randn(8, WIDTH, generator=torch.Generator().manual_seed(seed)), dim=1)
    images = normalize(images + patients[torch.arange(len(images)) % 8], dim=1)
    assert change(refine(images, proxies, "uniform"), images, proxies, truth) < -0.6
    refined = refine(images, proxies)
    assert not refined.accepted
    assert "refining would give some of these another" in refined.reason


def test_copies_of_few_images_are_left_to_the_text_proxies() -> None:
    images, proxies, _ = folder([1] * CLASSES)
    refined = refine(images[:400:50].repeat(50, 1), proxies)
    assert not refined.accepted
    assert refined.reason == "only 8 of 400 photographs differ clearly; at least 100 are needed"


def test_a_stated_mix_is_met_as_told() -> None:
    images, proxies, _ = folder([1] * CLASSES)
    weights = [6, 5, 4, 3, 2, 1]
    refined = refine(images, proxies, weights)
    assert refined.accepted
    assert (refined.prior_name, refined.reason) == ("given", "a class mix was stated")
    torch.testing.assert_close(refined.labels.mean(dim=0), torch.tensor(weights) / 21, atol=1e-4, rtol=0)
    even = refine(images, proxies, "uniform")
    assert (even.prior_name, even.reason) == ("uniform", "every class was stated to be equally common")


def test_few_images_are_left_to_the_text_proxies_whatever_the_prior() -> None:
    images, proxies, _ = folder([1] * CLASSES)
    assert not refine(images[:15], proxies, "uniform").accepted
    assert refine(images[:15], proxies, "uniform", min_images=15).accepted


def test_one_class_leaves_nothing_to_refine() -> None:
    images, proxies, _ = folder([1])
    refined = refine(images, proxies)
    assert not refined.accepted
    assert (refined.labels == 1).all()


@pytest.mark.parametrize("prior", ["auto", "uniform"])
@pytest.mark.parametrize("centre", [False, True])
def test_rows_of_labels_sum_to_1_and_proxies_are_unit_rows(prior: str, centre: bool) -> None:
    images, proxies, _ = folder([1] * CLASSES)
    refined = refine(images, proxies, prior, centre=centre)
    torch.testing.assert_close(refined.labels.sum(dim=1), torch.ones(len(images)))
    torch.testing.assert_close(refined.proxies.norm(dim=1), torch.ones(CLASSES))
    torch.testing.assert_close(refined.prior.sum(), torch.tensor(1.0))
    torch.testing.assert_close(refined.scores, (images - refined.centre) @ refined.proxies.T)


@pytest.mark.slow
def test_arguments_are_not_changed_and_numpy_equals_torch() -> None:
    images, proxies, _ = folder([1] * CLASSES)
    before = images.clone(), proxies.clone()
    refined = refine(images, proxies)
    assert torch.equal(images, before[0])
    assert torch.equal(proxies, before[1])
    assert torch.equal(refine(images.numpy(), proxies.numpy()).scores, refined.scores)
    assert torch.equal(refine(images.tolist(), proxies.tolist()).scores, refined.scores)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_what_refinement_gains(kind: torch.dtype) -> None:
    images, proxies, truth = folder([1] * CLASSES)
    exact, halved = (change(refine(images.to(k), proxies.to(k)), images, proxies, truth) for k in (torch.float32, kind))
    assert halved > exact - 0.02


def test_scores_of_image_wise_retrieval_may_stand_in_for_the_proxies() -> None:
    images, proxies, truth = folder([1] * CLASSES)
    scores = images @ proxies.T
    refined = refine(images, proxies, scores=scores - 0.1)
    torch.testing.assert_close(refined.labels, refine(images, proxies).labels, atol=1e-3, rtol=0)
    with pytest.raises(SettingsError, match=r"shape \(400, 6\)|shape \(402, 6\)"):
        refine(images, proxies, scores=scores[:10])
    assert accuracy(refined.scores, truth) > accuracy(scores, truth)


def test_widths_that_differ_are_refused() -> None:
    images, proxies, _ = folder([1] * CLASSES)
    with pytest.raises(SettingsError, match="one width, but got 48 and 47"):
        refine(images, proxies[:, :-1])
    with pytest.raises(SettingsError, match="Expected prior"):
        refine(images, proxies, "natural")
    with pytest.raises(SettingsError, match="finite image features"):
        refine(np.full((20, 48), np.nan), proxies)
