"""Folders to try refinements on: of the regimes they say, the same for the same seed, with home and halves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.experiments.refinement_folders import (
    REGIMES,
    SMALLEST,
    Home,
    Pool,
    draw_rows,
    folders,
    halved,
    noised,
    projected,
    synthetic_pools,
)

WIDTH = 64


@pytest.fixture(scope="module")
def pool() -> Pool:
    return next(iter(synthetic_pools([3], 1)))


def home(classes: tuple[str, ...] = ("nevus", "melanoma")) -> tuple[Home, torch.Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    rows = normalize(torch.randn(120, WIDTH, generator=generator) + 0.5, dim=1)
    names = np.array([classes[n % 2] for n in range(120)])
    return Home.of(rows, names, np.array(["pad"] * 90 + ["ham10000"] * 30)), rows, names


@pytest.mark.parametrize("regime", REGIMES)
def test_folders_are_of_the_regime_they_say(pool: Pool, regime: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.zeros(600, dtype=int), np.arange(900) % 3])
    features = pool.features
    rows = draw_rows(regime, features, labels, 100, rng)
    counts = np.bincount(labels[rows], minlength=3)
    assert SMALLEST <= len(rows) <= 100 and rows.max() < len(labels)
    expected = {
        "natural": counts[0] > 50 and len(rows) == 100,
        "balanced": set(counts) == {33},
        "skewed": len(set(rows)) == 100 and counts.max() > 40,
        "half of the classes": (counts == 0).sum() == 2,
        "one class": (counts > 0).sum() == 1,
        "copies": len(rows) == 100 and len(set(rows)) <= 25,
        "clumps": len(set(rows)) == len(rows) >= 10,
    }
    assert expected[regime]
    if regime == "clumps":
        near = (features[rows] @ features[rows].T).fill_diagonal_(-1).max(dim=1).values.mean()
        far = draw_rows("natural", features, labels, len(rows), rng)
        assert near > (features[far] @ features[far].T).fill_diagonal_(-1).max(dim=1).values.mean()


def test_the_same_seed_draws_the_same_folders_and_another_seed_others(pool: Pool) -> None:
    first, again, other = (list(folders(pool, [seed])) for seed in (7, 7, 8))
    assert {one.regime for one in first} == set(REGIMES) and min(len(one.rows) for one in first) >= SMALLEST
    for one, same in zip(first, again, strict=True):
        assert np.array_equal(one.rows, same.rows) and torch.equal(one.proxies, same.proxies)
        assert np.array_equal(one.labels, pool.labels[one.rows]) and len(one.features) == len(one.labels)
    assert any(not np.array_equal(one.rows, same.rows) for one, same in zip(first, other, strict=False))


def test_a_bias_is_added_to_proxies_and_halves_and_none_where_it_is_zero(pool: Pool) -> None:
    for one in folders(pool, range(4)):
        assert torch.allclose(one.proxies, pool.proxies, atol=1e-6) == (one.bias == 0)
        assert torch.allclose(one.halves, pool.halves, atol=1e-6) == (one.bias == 0)
        assert torch.allclose(one.proxies.norm(dim=1), torch.ones(len(pool.proxies)), atol=1e-5)


def test_synthetic_pools_hold_their_classes_evenly_and_text_is_right_as_often_as_asked() -> None:
    found = list(synthetic_pools([0], 5))
    assert [len(one.proxies) for one in found] == [2, 6, 7, 40, 134]
    for one in found:
        accuracy = (one.features @ one.proxies.T).argmax(dim=1).numpy() == one.labels
        assert 0.3 <= accuracy.mean() <= 0.9
        assert one.halves.shape == (2, *one.proxies.shape) and one.home is None and not one.away
        assert torch.allclose(normalize(one.halves.sum(dim=0), dim=1), one.proxies, atol=0.01)


def test_halves_share_no_sentence_unless_a_class_has_one() -> None:
    one, other = halved(torch.tensor([4, 7, 9, 11, 12]), torch.tensor([0, 0, 0, 1, 2]))
    assert one.tolist() == [4, 9, 11, 12] and other.tolist() == [7, 11, 12]


def test_home_is_the_mean_of_the_means_of_sources_and_classes() -> None:
    found, rows, names = home()
    nevi = [rows[(torch.arange(120) < 90) & torch.tensor(names == "nevus")].mean(dim=0)]
    nevi += [rows[(torch.arange(120) >= 90) & torch.tensor(names == "nevus")].mean(dim=0)]
    own = found.mean_of(["melanocytic nevus", "wart"])
    assert own is not None and torch.allclose(own, (nevi[0] + nevi[1]) / 2, atol=1e-5)
    assert found.mean_of(["wart"]) is None
    both = found.mean_of(["nevus", "melanoma"])
    assert both is not None and torch.allclose(both, torch.stack(list(found.class_means.values())).mean(dim=0))


def test_images_of_home_are_familiar_and_others_are_not() -> None:
    found, rows, _ = home()
    statistics = found.statistics
    at_home = statistics.familiarity(rows).mean()
    assert abs(float(at_home)) < 0.1 and statistics.familiarity(-rows).mean() < at_home - 0.3


def test_a_noised_pool_is_worse_and_a_projected_one_smaller(pool: Pool) -> None:
    found, _, _ = home()

    def accuracy(one: Pool) -> float:
        return float(((one.features @ one.proxies.T).argmax(dim=1).numpy() == one.labels).mean())

    worse, smaller = noised(pool), projected(pool, found, ["unknown"])
    assert accuracy(worse) < accuracy(pool) and worse.features.shape == pool.features.shape
    assert smaller.features.shape[1] == smaller.proxies.shape[1] == smaller.halves.shape[2] == 48
    for one in (worse, smaller):
        assert torch.allclose(one.features.norm(dim=1), torch.ones(len(one.features)), atol=1e-5)
    assert smaller.home_mean is None and smaller.home is None
