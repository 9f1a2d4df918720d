"""The regime table: worlds of the mixes they claim, and Markdown from synthetic and from real features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from zsderm.benchmarks.prior_regimes import CLASSES, MIXES, class_mix, main, real_worlds, synthetic_world


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
    assert 0 <= world.text_accuracy <= 1


@pytest.fixture
def features_file(tmp_path: Path) -> Path:
    world = synthetic_world("balanced", 3, 240, 0.6, 0.1, 1.0, (0.0, 0.0), seed=0)
    file = tmp_path / "features.npz"
    arrays = {"image_features": world.image_features, "labels": world.labels, "text_proxies": world.text_proxies}
    np.savez(file, **arrays)
    return file


def test_real_features_are_split_into_folders_of_every_mix(features_file: Path) -> None:
    worlds = list(real_worlds(features_file, seeds=1))
    assert {world.group[0].split(",")[0] for world in worlds} == {"natural", "balanced", "skewed", "one class"}
    assert all(len(set(world.labels)) == 1 for world in worlds if world.group[0].startswith("one class"))


def test_the_table_is_printed_and_every_folder_written(features_file: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    result = CliRunner().invoke(main, ["--seeds", "1", "--features", str(features_file), "--output", str(rows)])
    assert result.exit_code == 0, result.output
    assert "### features" in result.output
    assert "| natural, bias 0.0 | 3 | 1 |" in result.output
    assert "Worst cost of auto" in result.output
    assert len(rows.read_text().splitlines()) > 10


def test_small_synthetic_folders_are_left_alone_by_auto() -> None:
    result = CliRunner().invoke(main, ["--seeds", "1", "--largest", "10"])
    assert result.exit_code == 0, result.output
    assert "Worst cost of auto: 0.0 points" in result.output
