"""Embeddings that come out of a file, held against what was written into it.

Letters: N images, D embedding width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zsderm.arrays import UNIT_TOLERANCE, RowsOnDisk
from zsderm.config import VIEWS
from zsderm.stored_json import check_kind

DIGESTS = "digests"  # key in the JSON beside the rows
CHUNK = 65_536  # rows looked at a time


class RowDigests:
    """What tells later that rows, or the names beside them, are others: SHA-256 of both, whatever the files' layout."""

    def __init__(self) -> None:
        self._rows, self._names = hashlib.sha256(), hashlib.sha256()

    def update(self, rows: np.ndarray, names: Sequence[str], errors: Sequence[str]) -> None:
        """Add (n, D) float32 rows in the order of the file, with n names and n reasons, empty where all went well."""
        self._rows.update(np.ascontiguousarray(rows, "<f4").tobytes())
        for name, error in zip(names, errors, strict=True):
            self._names.update(f"{name}\0{error}\0".encode("utf-8", "backslashreplace"))

    def facts(self) -> dict[str, str]:
        """Both, ready for JSON."""
        return {"rows": self._rows.hexdigest(), "names": self._names.hexdigest()}


def check_encoder(about: Any) -> None:
    """Refuse what is said of an encoder: model, fingerprint, width and, where they are said, views.

    Raises:
        ValueError: it is no object, or something is missing or of another kind.
    """
    if not isinstance(about, Mapping):
        raise ValueError("what is said of the encoder is no object")
    for name, kind in {"model": "str", "fingerprint": "str", "width": "int"}.items():
        check_kind(name, about.get(name), kind)
    if about["width"] < 1:
        raise ValueError("it does not say how wide its rows are")
    if type(about.get("views", 1)) is not int or about.get("views", 1) not in VIEWS:
        raise ValueError(f"expected views to be one of {', '.join(map(str, VIEWS))}, but got {about['views']!r:.40}")


def check_rows(about: Any, features: np.ndarray | RowsOnDisk, names: Sequence[Any], errors: Sequence[Any]) -> None:
    """Refuse embeddings that are not what their file says, or that no encoder gives.

    Args:
        about: what the file says of them: model, fingerprint, width, views, and digests where it has any.
        features: (N, D), each a unit row, or NaN throughout where the image could not be read.
        names: N names.
        errors: N reasons, empty where all went well.

    Raises:
        ValueError: they are.
    """
    check_encoder(about)
    if features.ndim != 2 or features.dtype != np.float32 or features.shape[1] != about["width"]:
        raise ValueError(
            f"expected float32 rows of {about['width']} columns, but got {features.dtype} of shape {features.shape}"
        )
    if not all(isinstance(text, str) for text in (*names, *errors)):
        raise ValueError("expected a name and an error, perhaps empty, for every row")
    digests = RowDigests()
    for start in range(0, len(features), CHUNK):
        part = slice(start, start + CHUNK)
        rows = np.asarray(features[part])
        check_part(start, rows, errors[part])
        if DIGESTS in about:
            digests.update(rows, names[part], errors[part])
    if DIGESTS in about and about[DIGESTS] != digests.facts():
        raise ValueError("its rows or names are not those that were written: a file is damaged, or of another run")


def check_part(start: int, rows: np.ndarray, errors: Sequence[str]) -> None:
    """Refuse rows that are neither a unit row nor, beside an error, NaN.

    Args:
        start: how many rows there are before these.
        rows: (n, D) float32.
        errors: n reasons, empty where all went well.

    Raises:
        ValueError: names the first such row, from 1.
    """
    lengths = np.linalg.norm(rows, axis=1)
    unit, gone = np.abs(lengths - 1) < UNIT_TOLERANCE, np.isnan(rows).all(axis=1)
    failed = np.array([bool(error) for error in errors], bool)
    wrong = np.flatnonzero(np.where(failed, ~gone, ~unit))
    if len(wrong):
        row = int(wrong[0])
        what = "an error and numbers" if failed[row] else f"length {lengths[row]:.4g} instead of 1"
        raise ValueError(f"row {start + row + 1} has {what}")
