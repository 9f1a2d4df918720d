"""Folders to try refinements on: of the regimes they say, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from zsderm.benchmarks.experiments.refinement_folders import REGIMES, SMALLEST, draw_rows, folders
from zsderm.benchmarks.experiments.refinement_pools import Pool, synthetic_pools


@pytest.fixture(scope="module")
def pool() -> Pool:
    return next(iter(synthetic_pools([3], 1)))


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


def test_size_and_bias_differ_from_pool_to_pool(pool: Pool) -> None:
    pools = [pool, *(replace(pool, source=f"source {number}") for number in range(40))]
    drawn = [list(folders(one, [7])) for one in pools]
    for regime in REGIMES:
        own = [one for part in drawn for one in part if one.regime == regime]
        assert {one.bias for one in own} == {0.0, 0.15, 0.3}
        assert regime in ("one class", "clumps", "balanced") or {len(one.rows) for one in own} == {
            16,
            30,
            60,
            100,
            160,
            300,
        }
    again = list(folders(replace(pool, source="source 3"), [7]))
    assert [one.rows.tolist() for one in again] == [one.rows.tolist() for one in drawn[4]]


def test_both_views_are_of_the_same_images(pool: Pool) -> None:
    for one in folders(pool, [2]):
        assert len(one.mirrored) == len(one.features) and not torch.equal(one.mirrored, one.features)
        assert torch.equal(one.mirrored, pool.mirrored[torch.from_numpy(one.rows)])
