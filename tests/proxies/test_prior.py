"""The class mix: stated, or learned from where the images lie."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from zsderm.errors import SettingsError
from zsderm.proxies.prior import damped, estimate_prior, resolve_prior

LABELS = torch.softmax(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), dim=1)


def blobs(shares: list[float], images: int = 600, distance: float = 6.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Round clusters of the given shares in four dimensions, and the true classes."""
    generator = torch.Generator().manual_seed(1)
    counts = (torch.tensor(shares) * images).round().long()
    truth = torch.repeat_interleave(torch.arange(len(shares)), counts)
    centres = distance * torch.eye(4, dtype=torch.float64)[: len(shares)]
    points = centres[truth] + torch.randn(len(truth), 4, generator=generator, dtype=torch.float64)
    return points - points.mean(dim=0), truth


def biased_labels(truth: torch.Tensor, classes: int, favourite: int, taken: float) -> torch.Tensor:
    """One-hot labels, of which one class has taken a share of every other class's."""
    generator = torch.Generator().manual_seed(2)
    stolen = torch.rand(len(truth), generator=generator) < taken
    return torch.eye(classes)[torch.where(stolen, favourite, truth)]


def test_uniform_is_uniform_and_weights_may_have_any_scale() -> None:
    assert resolve_prior("uniform", LABELS).tolist() == pytest.approx([1 / 3] * 3)
    assert resolve_prior(np.array([2, 1, 1]), LABELS).tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert resolve_prior([2, 0, 0], LABELS).tolist() == [1.0, 0.0, 0.0]


def test_auto_is_the_mix_that_the_text_labels_predict() -> None:
    torch.testing.assert_close(resolve_prior("auto", LABELS), LABELS.double().mean(dim=0))


@pytest.mark.parametrize("prior", ["even", [1.0], [-1.0, 1, 1], [math.nan, 1, 1], [math.inf, 1, 1], [0.0, 0, 0]])
def test_a_prior_that_makes_no_sense_is_refused(prior: object) -> None:
    with pytest.raises(SettingsError, match="Expected"):
        resolve_prior(prior, LABELS)  # type: ignore[arg-type]


@pytest.mark.parametrize("shares", [[0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1], [0.05, 0.5, 0.4, 0.05]])
def test_the_mix_is_learned_in_spite_of_a_biased_proxy(shares: list[float]) -> None:
    points, truth = blobs(shares)
    labels = biased_labels(truth, 4, favourite=0, taken=0.4)
    learned = estimate_prior(points, labels, damping=0.0)
    assert (labels.mean(dim=0) - torch.tensor(shares)).abs().max() > 0.1
    torch.testing.assert_close(learned, torch.tensor(shares, dtype=torch.float64), atol=0.02, rtol=0)


def test_the_learned_mix_is_positive_and_sums_to_1() -> None:
    points, truth = blobs([1.0])
    learned = estimate_prior(points, torch.eye(5)[truth], damping=0.2)
    assert (learned > 0).all()
    assert learned.sum().item() == pytest.approx(1.0)


def test_the_anchor_holds_images_to_their_text_labels() -> None:
    points, truth = blobs([0.7, 0.1, 0.1, 0.1])
    labels = biased_labels(truth, 4, favourite=0, taken=0.4)
    free, firm = (estimate_prior(points, labels, damping=0.0, anchor=anchor) for anchor in (0.0, 1e3))
    torch.testing.assert_close(firm, labels.double().mean(dim=0), atol=1e-6, rtol=0)
    assert (free - firm).abs().max() > 0.05


def test_copies_teach_nothing_but_belong_to_the_mix() -> None:
    points, truth = blobs([0.5, 0.2, 0.2, 0.1])
    labels = biased_labels(truth, 4, favourite=0, taken=0.2)
    rows = (truth == 0).nonzero().flatten()
    whole, of_whole = torch.cat([points, points[rows].repeat(3, 1)]), torch.cat([labels, labels[rows].repeat(3, 1)])
    count = len(points)
    learned = estimate_prior(whole, of_whole, damping=0.0, learned_from=torch.arange(count))
    alone = estimate_prior(points, labels, damping=0.0)
    shares = torch.tensor([0.5 * 4, 0.2, 0.2, 0.1], dtype=torch.float64)
    torch.testing.assert_close(alone, torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64), atol=0.02, rtol=0)
    torch.testing.assert_close(learned, shares / shares.sum(), atol=0.02, rtol=0)


def test_damping_mixes_with_the_uniform_mix() -> None:
    shares = torch.tensor([0.9, 0.1, 0.0, 0.0])
    torch.testing.assert_close(damped(shares, 0.2), torch.tensor([0.77, 0.13, 0.05, 0.05]))
    torch.testing.assert_close(damped(shares, 1.0), torch.full((4,), 0.25))
