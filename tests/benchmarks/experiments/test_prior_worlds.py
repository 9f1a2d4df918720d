"""Folders to try priors on: of the mixes they claim, and the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zsderm.benchmarks.experiments.prior_worlds import (
    CLASSES,
    MIXES,
    class_mix,
    real_worlds,
    synthetic_world,
    synthetic_worlds,
)


@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("mix", MIXES)
def test_a_mix_is_a_distribution_over_all_classes(mix: str, classes: int) -> None:
    shares = class_mix(mix, classes, np.random.default_rng(0))
    assert shares.shape == (classes,)
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).sum() == (1 if mix == "one class" else classes)


def test_a_synthetic_world_has_unit_rows_and_depends_on_its_seed_alone() -> None:
    world, again = (synthetic_world("zipf", 7, 50, 0.4, 0.1, 1.0, (1.0, 0.5), seed=3) for _ in range(2))
    assert np.array_equal(world.image_features, again.image_features)
    for rows in (world.image_features, world.text_proxies):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert 0 <= world.text_accuracy() <= 1


def test_seeds_give_worlds_that_differ_and_ranges_of_them_can_be_kept_apart() -> None:
    both = [world.image_features for world in synthetic_worlds(range(2), largest=10)]
    second = [world.image_features for world in synthetic_worlds(range(1, 2), largest=10)]
    assert len(both) > len(second)
    assert all(any(np.array_equal(features, other) for other in both) for features in second)


def test_real_features_are_split_into_folders_of_every_mix(tmp_path: Path) -> None:
    made = synthetic_world("balanced", 3, 240, 0.6, 0.1, 1.0, (0.0, 0.0), seed=0)
    arrays = {"image_features": made.image_features, "labels": made.labels, "text_proxies": made.text_proxies}
    np.savez(tmp_path / "f.npz", **arrays)
    worlds = list(real_worlds(tmp_path / "f.npz", range(1)))
    mixes = {world.mix.split(",")[0] for world in worlds}
    assert mixes == {
        "natural", "part of the images", "half of the classes", "balanced", "at most 40 a class", "skewed", "one class",
    }  # fmt: skip
    for world in worlds:
        counts = np.bincount(world.labels, minlength=3)
        if world.mix.startswith("one class"):
            assert (counts > 0).sum() == 1
        if world.mix.startswith("balanced"):
            assert len(set(counts)) == 1
        if world.mix.startswith("half of the classes"):
            assert (counts > 0).sum() == 2


def test_large_classes_also_come_in_clumps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((450, 8)), np.repeat([0, 1], [400, 50])
    np.savez(tmp_path / "f.npz", image_features=features, labels=labels, text_proxies=features[[0, 400]])
    clumps = [world for world in real_worlds(tmp_path / "f.npz", range(1)) if "clumps" in world.mix]
    assert len(clumps) == 3, "one a bias"
    assert all((world.labels == 0).all() and len(world.labels) <= 200 for world in clumps)
