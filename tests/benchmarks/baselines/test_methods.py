"""Every baseline keeps the same promises: better than chance, rows that sum to 1, order does not matter, one image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.baselines import estimated_mix, flattened_mix, inmap, transclip, zlap

Baseline = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
BASELINES: dict[str, Baseline] = {
    "inmap": inmap,
    "inmap, labels as they are": partial(inmap, even=False),
    "transclip": transclip,
    "zlap": zlap,
    "flattened mix": flattened_mix,
    "estimated mix": estimated_mix,
}
every_baseline = pytest.mark.parametrize("method", BASELINES.values(), ids=BASELINES.keys())


def clusters(images: int = 120, classes: int = 4, width: int = 24, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Unit rows in well separated clusters, and text proxies that lie near them but beyond a modality gap."""
    generator = torch.Generator().manual_seed(seed)
    gap = normalize(torch.randn(2, width, generator=generator), dim=1)
    means = normalize(torch.randn(classes, width, generator=generator), dim=1)
    truth = torch.arange(images) % classes
    noise = 0.6 * torch.randn(images, width, generator=generator) / width**0.5
    error = 0.8 * normalize(torch.randn(classes, width, generator=generator), dim=1)
    return normalize(gap[0] + means[truth] + noise, dim=1), normalize(0.5 * gap[1] + means + error, dim=1), truth


@every_baseline
def test_beats_chance_on_separable_data(method: Baseline) -> None:
    images, text, truth = clusters()
    assert (method(images, text).argmax(dim=1) == truth).float().mean() > 0.8


@every_baseline
@pytest.mark.parametrize(("images", "classes"), [(120, 4), (1, 4), (1, 1), (2, 2), (3, 7), (6, 1)])
def test_each_row_sums_to_one(method: Baseline, images: int, classes: int) -> None:
    """Including one image, one class, and fewer images than neighbours or classes."""
    features, text, _ = clusters(images, classes)
    answers = method(features, text)
    assert answers.shape == (images, classes)
    assert answers.dtype == torch.float32
    assert (answers >= 0).all()
    torch.testing.assert_close(answers.sum(dim=1), torch.ones(images), atol=1e-5, rtol=0)


@every_baseline
def test_permuting_images_and_classes_permutes_the_answer(method: Baseline) -> None:
    images, text, _ = clusters(60)
    random = torch.Generator().manual_seed(1)
    rows, columns = torch.randperm(60, generator=random), torch.randperm(4, generator=random)
    permuted = method(images[rows], text[columns])
    torch.testing.assert_close(permuted, method(images, text)[rows][:, columns], atol=2e-2, rtol=0)


@every_baseline
def test_arguments_are_left_unchanged(method: Baseline) -> None:
    images, text, _ = clusters(30)
    before = images.clone(), text.clone()
    method(images, text)
    assert torch.equal(images, before[0])
    assert torch.equal(text, before[1])
