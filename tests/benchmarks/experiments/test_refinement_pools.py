"""Pools of images: synthetic ones as asked, worse qualities of the same images, and a second view of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.nn.functional import normalize

from zsderm import load_encoder
from zsderm.benchmarks.experiments.refinement_candidates import HomeMeans
from zsderm.benchmarks.experiments.refinement_home import Home
from zsderm.benchmarks.experiments.refinement_pools import (
    VIEWS_APART,
    Mirrored,
    Pool,
    halved,
    noised,
    projected,
    synthetic_pools,
)
from zsderm.benchmarks.features import image_features


@pytest.fixture(scope="module")
def pool() -> Pool:
    return next(iter(synthetic_pools([3], 1)))


def test_synthetic_pools_hold_their_classes_evenly_and_text_is_right_as_often_as_asked() -> None:
    found = list(synthetic_pools([0], 5))
    assert [len(one.proxies) for one in found] == [2, 6, 7, 40, 134]
    for one in found:
        accuracy = (one.features @ one.proxies.T).argmax(dim=1).numpy() == one.labels
        assert 0.3 <= accuracy.mean() <= 0.9
        assert one.halves.shape == (2, *one.proxies.shape) and one.home is None and not one.away
        assert one.means == HomeMeans() and one.spread is not None
        apart = (one.features - one.mirrored).norm(dim=1)
        assert torch.allclose(apart, torch.full_like(apart, VIEWS_APART), atol=1e-4)
        assert torch.allclose(one.mirrored.norm(dim=1), torch.ones(len(one.mirrored)), atol=1e-5)
        assert torch.allclose(normalize(one.halves.sum(dim=0), dim=1), one.proxies, atol=0.01)


def test_halves_share_no_sentence_unless_a_class_has_one() -> None:
    one, other = halved(torch.tensor([4, 7, 9, 11, 12]), torch.tensor([0, 0, 0, 1, 2]))
    assert one.tolist() == [4, 9, 11, 12] and other.tolist() == [7, 11, 12]


def test_a_noised_pool_is_worse_and_a_projected_one_smaller(pool: Pool) -> None:
    rows = normalize(torch.randn(40, pool.features.shape[1], generator=torch.Generator().manual_seed(0)) + 0.5, dim=1)
    found = Home(rows, np.array(["nevus", "melanoma"] * 20), np.full(40, "pad"), (rows,))

    def accuracy(one: Pool) -> float:
        return float(((one.features @ one.proxies.T).argmax(dim=1).numpy() == one.labels).mean())

    worse, smaller = noised(pool), projected(pool, found, ["unknown"])
    assert accuracy(worse) < accuracy(pool) and worse.features.shape == pool.features.shape
    assert smaller.features.shape[1] == smaller.proxies.shape[1] == smaller.halves.shape[2] == 48
    for one in (worse, smaller):
        assert torch.allclose(one.features.norm(dim=1), torch.ones(len(one.features)), atol=1e-5)
        assert torch.allclose(one.mirrored.norm(dim=1), torch.ones(len(one.features)), atol=1e-5)
        assert len({pool.number, one.number}) == 2
    assert smaller.means.classes is None and smaller.home is None and smaller.spread is None
    assert smaller.means.tables is not None and smaller.means.tables.shape == (48,)
    assert projected(pool, found, ["nevus", "melanoma"]).spread is not None
    noise = [rows - clean for rows, clean in ((worse.features, pool.features), (worse.mirrored, pool.mirrored))]
    assert (noise[0] * noise[1]).sum(dim=1).mean().abs() < 0.1  # each view has its own


def test_every_synthetic_pool_has_its_own_number() -> None:
    found = [one.number for seed in (0, 1) for one in synthetic_pools([seed], 3)]
    assert len(set(found)) == 6


def test_a_mirrored_encoder_sees_mirrored_photographs_and_is_cached_by_itself(
    tmp_path: Path, make_photos: Callable[..., None]
) -> None:
    encoder, path = load_encoder("zsderm-mini"), tmp_path / "photo.png"
    make_photos(tmp_path, ["photo.png"])
    seen, mirrored = Mirrored(encoder), tmp_path / "mirrored.png"
    with Image.open(path) as photo:
        ImageOps.mirror(photo).save(mirrored)
    assert torch.allclose(seen.encode_images([path]), encoder.encode_images([mirrored]), atol=1e-3)
    assert torch.equal(seen.encode_texts(["nevus"]), encoder.encode_texts(["nevus"]))
    cache = tmp_path / "cache"
    plain, turned = (image_features(one, [path], cache) for one in (encoder, seen))
    assert not torch.equal(plain, turned) and len(list(cache.iterdir())) == 2
    assert torch.equal(image_features(seen, [path], cache), turned)
