"""Refinement computes where its images are read, and gives its results on the CPU.

Tests run without a GPU too: inside `elsewhere`, a tensor that is made without saying where has no storage, so it cannot
meet those of the images.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from zsderm.proxies import FeatureChunks, refine

elsewhere = torch.device("meta")
GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))
PRIORS = [
    pytest.param("auto", marks=pytest.mark.slow, id="auto"),
    pytest.param("uniform", marks=pytest.mark.slow, id="uniform"),
    pytest.param(np.array([5.0, 3, 2, 0]), marks=pytest.mark.slow, id="given"),
]


def skin(images: int = 600, classes: int = 4, width: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Classes in half precision whose text proxies err, so that refining them passes the test."""
    generator = torch.Generator().manual_seed(1)
    means = torch.randn(classes, width, generator=generator)
    truth = torch.randint(classes, (images,), generator=generator)
    features = normalize(1.5 * means[truth] + torch.randn(images, width, generator=generator), dim=1)
    text = normalize(means + 1.5 * torch.randn(classes, width, generator=generator), dim=1)
    return features.half().numpy(), text.numpy()


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("chunk_size", [None, 250])
@pytest.mark.parametrize("prior", PRIORS)
def test_nothing_is_made_without_saying_where(prior: str | np.ndarray, chunk_size: int | None, centre: bool) -> None:
    features, text = skin()
    expected = refine(FeatureChunks(features, chunk_size), text, prior, centre=centre, sample_size=300)
    with elsewhere:
        found = refine(FeatureChunks(features, chunk_size), text, prior, centre=centre, sample_size=300)
        labels, scores = found.labels, found.scores
    assert expected.accepted and found.accepted
    assert torch.equal(labels, expected.labels)
    assert torch.equal(scores, expected.scores)
    assert torch.equal(found.prior, expected.prior)


def test_text_proxies_that_stand_are_made_without_saying_where_either() -> None:
    features, text = skin(images=12)
    with elsewhere:
        found = refine(FeatureChunks(features, 5), text, "auto", min_images=20)
        assert not found.accepted
        assert found.scores.device.type == found.labels.device.type == found.prior.device.type == "cpu"


def test_rows_come_to_the_device_that_was_asked_for() -> None:
    features, _ = skin(images=12)
    assert FeatureChunks(features, None, device="meta").device == "meta"
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):  # which holds no numbers to look at
        list(FeatureChunks(features, 5, device="meta").read())


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("there", [False, True], ids=["from the CPU", "resident"])
@pytest.mark.parametrize("chunk_size", [None, 250])
@pytest.mark.parametrize("prior", PRIORS)
def test_every_device_gives_the_same(device: str, there: bool, chunk_size: int | None, prior: str | np.ndarray) -> None:
    features, text = skin()
    expected = refine(FeatureChunks(features, chunk_size), text, prior, sample_size=300)
    given = torch.from_numpy(features).to(device) if there else features
    found = refine(FeatureChunks(given, chunk_size, device=device), text, prior, sample_size=300)
    assert {found.proxies.device.type, found.labels.device.type, found.scores.device.type} == {"cpu"}
    torch.testing.assert_close(found.labels, expected.labels, atol=1e-4, rtol=0)
    assert found.objective == pytest.approx(expected.objective, abs=1e-5)
    assert float((found.scores.argmax(dim=1) == expected.scores.argmax(dim=1)).float().mean()) > 0.99
