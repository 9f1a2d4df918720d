"""What the functions of the room accept: any float type, read-only arrays too, never changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm.errors import SettingsError
from zsderm.proxies.arrays import check_positive, finite_rows


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_mapped_file_is_read_without_a_warning(tmp_path: Path, kind: type) -> None:
    values = np.arange(6, dtype=kind).reshape(2, 3)
    np.save(tmp_path / "rows.npy", values)
    rows = finite_rows(np.load(tmp_path / "rows.npy", mmap_mode="r"), "rows")
    assert rows.dtype == torch.float32
    assert rows.tolist() == values.tolist()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64])
def test_tensors_of_any_float_type_are_read(kind: torch.dtype) -> None:
    rows = finite_rows(torch.ones(2, 2, dtype=kind, requires_grad=True), "rows")
    assert (rows.dtype, rows.requires_grad) == (torch.float32, False)


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((0, 3)), np.zeros((3, 0)), np.zeros((1, 2, 3))])
def test_what_is_not_a_matrix_is_refused(values: np.ndarray) -> None:
    with pytest.raises(SettingsError, match="Expected rows to be a matrix"):
        finite_rows(values, "rows")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="finite rows"):
        finite_rows(np.array([[1.0, value]]), "rows")


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_setting_out_of_range_is_refused_by_its_name(value: float) -> None:
    with pytest.raises(SettingsError, match=f"width to be a positive number, but got {value}"):
        check_positive(width=value)
