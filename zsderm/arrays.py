"""What the functions of this room accept, and how they refuse what they cannot use."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from zsderm.errors import SettingsError

Array = torch.Tensor | np.ndarray


def finite_rows(values: Array, what: str, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Read a matrix of any float type as a detached tensor on the CPU; the argument itself is never changed.

    Args:
        values: (rows, columns), both at least 1.
        what: the plural noun an error should use, for instance "image features".
        dtype: of the result.

    Returns:
        (rows, columns) of `dtype`.

    Raises:
        SettingsError: when it is not a matrix, is empty, or holds NaN or infinity.
    """
    if isinstance(values, np.ndarray) and not values.flags.writeable:
        values = np.array(values)  # torch warns of views it could write to; mapped files and pandas give such arrays
    rows = torch.as_tensor(values).detach().to("cpu", dtype)
    if rows.ndim != 2 or 0 in rows.shape:
        raise SettingsError(
            f"Expected {what} to be a matrix with at least one row and one column, but got shape {tuple(rows.shape)}. "
            "A single vector is vector[None, :]."
        )
    if not torch.isfinite(rows).all():
        raise SettingsError(f"Expected finite {what}, but got NaN or infinity. Leave out what could not be read.")
    return rows


def check_positive(**settings: float) -> None:
    """Refuse a setting that is not a positive, finite number, by its name."""
    for name, value in settings.items():
        if not 0 < value < math.inf:
            raise SettingsError(f"Expected {name} to be a positive number, but got {value}.")


Labels = Sequence[int] | np.ndarray | torch.Tensor
ROW_SUM_TOLERANCE = 1e-3  # as in `Predictions`: float32 stays well within, logits and percentages do not


def float_rows(values: Array, what: str, *, gaps: bool = False) -> torch.Tensor:
    """Read a table of any float type as detached float64 on the CPU; the argument itself is never changed.

    Args:
        values: (N, C); minus infinity is welcome as long as a row has something finite.
        what: the plural noun an error should use.
        gaps: whether rows may hold NaN, as those of images without an answer do.

    Returns:
        (N, C) float64; a row with NaN is NaN throughout.

    Raises:
        SettingsError: not a matrix, no column, NaN where there may be none, or plus infinity.
    """
    rows = torch.as_tensor(values).detach().to("cpu", torch.float64)
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
    """The same for probabilities, which are not negative and sum to 1 in each row."""
    rows = float_rows(values, "probabilities", gaps=gaps)
    known = rows[~rows.isnan().any(dim=1)]
    unsound = (known < 0).any(dim=1) | ((known.sum(dim=1) - 1).abs() > ROW_SUM_TOLERANCE)
    if unsound.any():
        raise SettingsError(
            f"Expected rows of probabilities, which sum to 1, but got {known[unsound][0].tolist()}. "
            "Logits become probabilities by softmax."
        )
    return rows


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
