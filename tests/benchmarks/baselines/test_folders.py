"""Feature files are checked, and the folders drawn from them hold the mixes they claim."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm.benchmarks.baselines.folders import LARGEST_CLASS, folders, read_features
from zsderm.errors import InputError


def written(file: Path, **changed: np.ndarray) -> Path:
    arrays = {"image_features": np.full((4, 3), 2.0), "labels": np.arange(4) % 2, "text_proxies": np.eye(3)[:2]}
    arrays.update(changed)
    np.savez(file, **{name: array for name, array in arrays.items() if array.size})
    return file


def test_rows_become_unit_rows_in_float32(tmp_path: Path) -> None:
    features = read_features(written(tmp_path / "some.npz"))
    assert features.name == "some"
    assert features.image_features.dtype == torch.float32
    torch.testing.assert_close(features.image_features.norm(dim=1), torch.ones(4))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"labels": np.empty(0)}, "the arrays image_features, labels, text_proxies"),
        ({"labels": np.zeros(3, int)}, r"got shapes \(4, 3\), \(3,\) and \(2, 3\)"),
        ({"text_proxies": np.eye(5)}, r"got shapes \(4, 3\), \(4,\) and \(5, 5\)"),
        ({"labels": np.array([0, 1, 2, 0])}, "labels from 0 to 1"),
        ({"labels": np.array([{}] * 4)}, "Object arrays cannot be loaded"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, changed: dict[str, np.ndarray], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_features(written(tmp_path / "some.npz", **changed))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("image_features", encoding="utf-8")
    with pytest.raises(InputError, match=r"text\.npz to be an \.npz"):
        read_features(tmp_path / "text.npz")


def test_folders_hold_the_mixes_they_claim() -> None:
    labels = np.repeat([0, 1, 2, 3], [100, 30, 7, 4])
    drawn = list(folders(labels, seeds=3))
    by_mix = {mix: [labels[folder.rows] for folder in drawn if folder.mix == mix] for mix in {f.mix for f in drawn}}
    assert [len(part) for part in by_mix["natural"]] == [141]
    assert [np.bincount(part).tolist() for part in by_mix["balanced"]] == [[4, 4, 4, 4]] * 3
    assert [np.bincount(part).tolist() for part in by_mix["capped"]] == [[LARGEST_CLASS, 30, 7, 4]] * 3
    assert [set(part) for part in by_mix["one class"]] == [{0}, {1}, {2}]  # four images are too few
    assert all(len(set(folder.rows)) == len(folder.rows) for folder in drawn)


def test_a_cap_that_leaves_nothing_out_draws_no_folder() -> None:
    mixes = [folder.mix for folder in folders(np.repeat([0, 1], [9, 6]), seeds=2)]
    assert mixes == ["natural", "balanced", "balanced", "one class", "one class"]


def test_folders_depend_on_the_seed_alone() -> None:
    labels = np.repeat([0, 1], [50, 20])
    for one, again in zip(folders(labels, 2), folders(labels, 2), strict=True):
        assert np.array_equal(one.rows, again.rows)
