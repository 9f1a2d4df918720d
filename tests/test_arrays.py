"""Which arrays are accepted: any float type, read-only ones too; none is changed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm.arrays import are_probabilities, check_positive, checked_labels, finite_rows, float_rows, probability_rows
from zsderm.errors import SettingsError


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


def test_no_row_is_accepted_where_that_is_asked_for() -> None:
    assert finite_rows(np.zeros((0, 3)), "rows", may_be_empty=True).shape == (0, 3)
    with pytest.raises(SettingsError, match="Expected rows to be a matrix"):
        finite_rows(np.zeros(3), "rows", may_be_empty=True)


def test_which_rows_are_probabilities_depends_on_the_tolerance() -> None:
    rows = torch.tensor([[0.5, 0.5], [0.5, 0.505], [-0.1, 1.1], [math.nan, 1.0]])
    assert are_probabilities(rows).tolist() == [True, False, False, False]
    assert are_probabilities(rows, tolerance=1e-2).tolist() == [True, True, False, False]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="finite rows"):
        finite_rows(np.array([[1.0, value]]), "rows")


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_setting_out_of_range_is_refused_by_its_name(value: float) -> None:
    with pytest.raises(SettingsError, match=f"width to be a positive number, but got {value}"):
        check_positive(width=value)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_table_of_any_float_type_becomes_float64_and_stays_unchanged(dtype: type) -> None:
    table = np.array([[0.5, -math.inf], [0.25, 0.75]], dtype=dtype)
    rows = float_rows(table, "logits")
    rows += 1
    assert rows.dtype == torch.float64
    assert table[0, 0] == 0.5


def test_a_row_with_nan_is_nan_throughout_where_there_may_be_some() -> None:
    rows = float_rows(torch.tensor([[math.nan, 0.5], [0.5, 0.5]]), "scores", gaps=True)
    assert rows.isnan().tolist() == [[True, True], [False, False]]
    with pytest.raises(SettingsError, match="1 of 2 rows hold some"):
        float_rows(torch.tensor([[math.nan, 0.5], [0.5, 0.5]]), "scores")


@pytest.mark.parametrize("table", [torch.zeros(3), torch.zeros(3, 0), torch.zeros(2, 2, 2)])
def test_what_is_no_table_is_refused(table: torch.Tensor) -> None:
    with pytest.raises(SettingsError, match=r"shape \(N, C\)"):
        float_rows(table, "scores")


def test_a_row_without_a_finite_largest_value_is_refused() -> None:
    for value in (math.inf, -math.inf):
        with pytest.raises(SettingsError, match="finite largest value"):
            float_rows(torch.full((1, 2), value), "logits")


def test_an_empty_table_is_a_table() -> None:
    assert float_rows(torch.zeros(0, 3), "scores", gaps=True).shape == (0, 3)
    assert probability_rows(torch.zeros(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("row", [[0.5, 0.6], [1.2, -0.2], [50.0, 50.0], [-0.1, -2.0]])
def test_rows_that_are_no_probabilities_are_refused(row: list[float]) -> None:
    with pytest.raises(SettingsError, match="sum to 1"):
        probability_rows(torch.tensor([row]))


def test_probabilities_may_have_gaps() -> None:
    rows = probability_rows(torch.tensor([[0.4, 0.6], [math.nan, math.nan]]), gaps=True)
    assert rows[1].isnan().all()


@pytest.mark.parametrize("labels", [[0, 1], (0, 1), np.array([0, 1], dtype=np.int8), torch.tensor([0, 1])])
def test_labels_may_be_any_integers(labels: object) -> None:
    found = checked_labels(labels, torch.zeros(2, 2))  # type: ignore[arg-type]
    assert found.dtype == torch.int64 and found.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0], r"shape \(2,\)"),
        ([0.0, 1.0], "integer label"),
        ([True, False], "integer label"),
        ([0, 2], "from 0 to 1"),
        ([-1, 0], "from 0 to 1"),
    ],
)
def test_labels_that_do_not_index_the_columns_are_refused(labels: list, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        checked_labels(labels, torch.zeros(2, 2))
