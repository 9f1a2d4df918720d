"""Rows on disk from an earlier run, so that nothing is computed twice."""

from __future__ import annotations

import io
import uuid
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np

from zsderm.arrays import UNIT_TOLERANCE
from zsderm.errors import FallbackWarning
from zsderm.images import VERSION

IMAGES = f"images-{VERSION}"  # also raised when the scale in encoders/base.py changes pixels
TEXTS = "texts-1"


def image_layout(views: int) -> str:
    """The layout of image rows that are means of so many views; those of one view stay where they were."""
    return IMAGES if views == 1 else f"{IMAGES}-views-{views}"


class FeatureCache:
    """One small file per image or text, named by the hash of its content, in a folder per encoder.

    Files appear whole or not at all, so several processes may share the folder, and a file that is not exactly one
    unit row of the right width counts as absent.
    """

    def __init__(self, folder: Path, fingerprint: str, width: int, layout: str = IMAGES) -> None:
        """Make the folder; one that cannot be made is a warning, and the work goes on without it.

        Args:
            folder: where caches live; this encoder gets a folder of its own in it.
            fingerprint: hex that changes with anything that changes the rows.
            width: D.
            layout: what the rows are of, and which version of that: `image_layout` or TEXTS.
        """
        self.root, self.folder = folder, folder / layout / fingerprint
        self._size = width
        self._header = _npy_bytes(np.zeros(width, np.float32))[: -4 * width]
        self._full = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._give_up(error)

    def read(self, key: str) -> np.ndarray | None:
        """The stored row (D,) float32, or ``None`` if there is none that can be trusted."""
        try:
            content = self._path(key).read_bytes()
        except OSError:
            return None
        # Comparing with the one header that is right spares parsing a damaged one.
        if not content.startswith(self._header) or len(content) != len(self._header) + 4 * self._size:
            return None
        row = np.frombuffer(content, np.float32, offset=len(self._header))
        return row if is_unit(row) else None

    def write(self, key: str, row: np.ndarray) -> None:
        """Store a row (D,); if the disk is full the work goes on without storing, with one warning."""
        if self._full:
            return
        path = self._path(key)
        draft = path.with_name(f"{key}.{uuid.uuid4().hex}.tmp")
        try:
            path.parent.mkdir(exist_ok=True)
            draft.write_bytes(_npy_bytes(row))
            draft.replace(path)
        except OSError as error:
            self._give_up(error)
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _give_up(self, error: OSError) -> None:
        self._full = True
        message = f"cache folder '{self.root}' cannot be written: {error.strerror}. Going on without it."
        warnings.warn(message, FallbackWarning, stacklevel=3)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"


def is_unit(row: np.ndarray) -> bool:
    """Whether a row (D,) is of unit length; false for NaN as well."""
    return bool(abs(np.linalg.norm(row) - 1) < UNIT_TOLERANCE)


def _npy_bytes(row: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(row, "<f4"), allow_pickle=False)
    return buffer.getvalue()
