"""Arrays that callers give: which shapes, dtypes and values are accepted, and the errors for all others.

Letters: N images, C classes. Every function returns a detached tensor, on the CPU unless told otherwise, and never
changes its argument.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from zsderm.errors import SettingsError

Array = torch.Tensor | np.ndarray
Labels = Sequence[int] | np.ndarray | torch.Tensor
UNIT_TOLERANCE = 1e-2  # rows of half-precision encoders are this close to unit length
ROW_SUM_TOLERANCE = 1e-3  # float32 softmax and transport stay well within; a logit or a percentage does not


class RowsOnDisk(Protocol):
    """Float32 rows (N, D) that are read where they are asked for, such as those of a data set of embeddings."""

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Float32."""
        ...

    @property
    def ndim(self) -> int:
        """2."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        ...

    def __len__(self) -> int:
        """N."""
        ...

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """(n, D) some of the rows, in memory."""
        ...


def finite_rows(
    values: Array,
    what: str,
    dtype: torch.dtype = torch.float32,
    *,
    may_be_empty: bool = False,
    device: str | torch.device = "cpu",
) -> torch.Tensor:
    """Read a matrix of any float type that holds finite numbers only, such as embeddings.

    Args:
        values: (rows, columns), both at least 1.
        what: the plural noun an error should use, for instance "image features".
        dtype: of the result.
        may_be_empty: whether no row or no column is accepted too.
        device: of the result.

    Returns:
        (rows, columns) of `dtype`; on the CPU `finite_rows(...).numpy()` is a NumPy array without a copy.

    Raises:
        SettingsError: it is not a matrix, is empty, or holds NaN or infinity.
    """
    rows = _read(values, dtype, device)
    if rows.ndim != 2 or (0 in rows.shape and not may_be_empty):
        raise SettingsError(
            f"Expected {what} to be a matrix with at least one row and one column, but got shape {tuple(rows.shape)}. "
            "A single vector is vector[None, :]."
        )
    if not torch.isfinite(rows).all():
        raise SettingsError(f"Expected finite {what}, but got NaN or infinity. Leave out what could not be read.")
    return rows


def float_rows(values: Array, what: str, *, gaps: bool = False) -> torch.Tensor:
    """Read a table of any float type with one row for each image, such as logits; rows may be marked as missing.

    Args:
        values: (N, C); minus infinity is accepted in a row that also has something finite.
        what: the plural noun an error should use.
        gaps: whether rows may hold NaN, as those of images without an answer do.

    Returns:
        (N, C) float64; a row with NaN is NaN throughout.

    Raises:
        SettingsError: not a matrix, no column, NaN where there may be none, or plus infinity.
    """
    rows = _read(values, torch.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise SettingsError(f"Expected {what} of shape (N, C), one row per image, but got shape {tuple(rows.shape)}.")
    missing = rows.isnan().any(dim=1)  # (N,)
    if missing.any() and not gaps:
        raise SettingsError(
            f"Expected {what} without NaN, but {int(missing.sum())} of {len(rows)} rows hold some. "
            "Leave out the images that could not be read."
        )
    if not rows[~missing].amax(dim=1).isfinite().all():
        raise SettingsError(f"Expected {what} with a finite largest value in each row, but got infinity.")
    return rows.masked_fill(missing[:, None], torch.nan)


def probability_rows(values: Array, *, gaps: bool = False) -> torch.Tensor:
    """Read probabilities: as `float_rows`, and each row is not negative and sums to 1."""
    rows = float_rows(values, "probabilities", gaps=gaps)
    known = rows[~rows.isnan().any(dim=1)]
    unsound = ~are_probabilities(known)
    if unsound.any():
        raise SettingsError(
            f"Expected rows of probabilities, which sum to 1, but got {known[unsound][0].tolist()}. "
            "Logits become probabilities by softmax."
        )
    return rows


def are_probabilities(rows: torch.Tensor, tolerance: float = ROW_SUM_TOLERANCE) -> torch.Tensor:
    """(N,) bool: which rows of (N, C) are not negative and sum to 1. A row with NaN is not one of them.

    Args:
        rows: (N, C) of any float type.
        tolerance: how far the sum of a row may be from 1.
    """
    return (rows >= 0).all(dim=1) & ((rows.sum(dim=1) - 1).abs() <= tolerance)


def checked_labels(labels: Labels, rows: torch.Tensor) -> torch.Tensor:
    """The true class of each row, at least one of them.

    Args:
        labels: (N,) int, 0 to C - 1.
        rows: (N, C), what they label.

    Returns:
        (N,) int64.

    Raises:
        SettingsError: no image, another shape, no integers, or a class that is no column.
    """
    true = torch.as_tensor(labels).detach().to("cpu")
    if len(rows) == 0 or true.shape != (len(rows),) or true.is_floating_point() or true.dtype == torch.bool:
        raise SettingsError(
            f"Expected one integer label for each of at least one image, shape ({len(rows)},), "
            f"but got {true.dtype} of shape {tuple(true.shape)}."
        )
    true = true.long()
    if true.min() < 0 or true.max() >= rows.shape[1]:
        raise SettingsError(
            f"Expected labels from 0 to {rows.shape[1] - 1}, which index into the classes, "
            f"but got {int(true.min())} to {int(true.max())}. Leave out images of other classes."
        )
    return true


def check_positive(**settings: float) -> None:
    """Refuse a setting that is not a positive, finite number, by its name."""
    for name, value in settings.items():
        if not 0 < value < math.inf:
            raise SettingsError(f"Expected {name} to be a positive number, but got {value}.")


def _read(values: Array, dtype: torch.dtype, device: str | torch.device = "cpu") -> torch.Tensor:
    if isinstance(values, np.ndarray) and not values.flags.writeable:
        values = np.array(values)  # torch warns of views it could write to; mapped files and pandas give such arrays
    given = values if isinstance(values, torch.Tensor) else torch.as_tensor(values, device="cpu")
    return given.detach().to(device).to(dtype)  # in two steps: half as many bytes of half precision travel
