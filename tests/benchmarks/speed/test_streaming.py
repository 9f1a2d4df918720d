"""The streaming benchmark at a size for tests: its world is seeded, and every figure is printed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from zsderm.benchmarks.speed.streaming import STATUS, AllocatedMemory, World, main, write_features


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_features_in_the_file_are_the_unit_rows_of_the_world(tmp_path: Path, kind: str) -> None:
    world = World(classes=5, width=16, seed=3)
    truth = write_features(tmp_path / "features.npy", world, 100, kind)
    features = np.load(tmp_path / "features.npy", mmap_mode="r")
    rows, classes = World(classes=5, width=16, seed=3).images(0, 100)
    assert features.dtype == kind
    np.testing.assert_allclose(features, rows, atol=1e-3)
    np.testing.assert_array_equal(truth, classes)
    np.testing.assert_allclose(np.linalg.norm(features.astype(float), axis=1), 1, atol=1e-2)
    np.testing.assert_allclose(np.linalg.norm(world.text_proxies, axis=1), 1, atol=1e-5)


@pytest.mark.skipif(not STATUS.exists(), reason="only Linux tells how much memory is allocated")
def test_the_peak_of_allocated_memory_is_seen_after_it_was_freed() -> None:
    with AllocatedMemory() as memory:
        before = memory.peak
        block = np.ones(25_000_000)  # 0.2 GB, long enough in use for twenty looks a second
        for _ in range(10):
            block += 1
        del block
    assert memory.peak > before + 0.15


def test_every_figure_is_printed() -> None:
    options = ["--images", "600", "--classes", "5", "--width", "32", "--sample-size", "200"]
    result = CliRunner().invoke(main, options, catch_exceptions=False)
    assert result.exit_code == 0
    for figure in ("passes", "converged", "RssAnon", "accuracy: text", "in memory", "largest difference of a label"):
        assert figure in result.stdout
