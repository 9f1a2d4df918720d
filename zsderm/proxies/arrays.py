"""What the functions of this room accept, and how they refuse what they cannot use."""

from __future__ import annotations

import math

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
