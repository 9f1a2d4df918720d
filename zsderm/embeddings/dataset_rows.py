"""The rows of a finished data set of embeddings, read where they are asked for: a few parts are in memory at a time.

Letters: N images, D embedding width.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any, overload

import numpy as np

from zsderm.embeddings.dataset_folder import DatasetFolder

KEPT = 4  # parts in memory: 16 MB of 512 columns


class PartReader:
    """Reads parts, and keeps the last few that it has read."""

    def __init__(self, dataset: DatasetFolder) -> None:
        self.dataset = dataset
        self._kept: OrderedDict[int, tuple[list[str], np.ndarray, list[str]]] = OrderedDict()
        self._lock = Lock()

    def read(self, part: int) -> tuple[list[str], np.ndarray, list[str]]:
        """See `DatasetFolder.read_part`; what comes back is not to be written to."""
        with self._lock:
            if part in self._kept:
                self._kept.move_to_end(part)
                return self._kept[part]
            found = self._kept[part] = self.dataset.read_part(part)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return found


class DatasetRows:
    """The embeddings of a data set as an array (N, D) float32 that is on disk; NaN where an image could not be read.

    Rows are taken by a slice or by an array of indices; each part that they lie in is read once for every call.
    """

    dtype: np.dtype[np.float32] = np.dtype(np.float32)
    ndim = 2

    def __init__(self, reader: PartReader) -> None:
        facts = reader.dataset.facts
        self.shape: tuple[int, int] = (facts.images, facts.encoder["width"])
        self._reader = reader

    @property
    def dataset(self) -> DatasetFolder:
        """Whose rows they are."""
        return self._reader.dataset

    def __len__(self) -> int:
        """N."""
        return self.shape[0]

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        """(n, D) float32, a new array; (D,) for one index."""
        if isinstance(rows, int | np.integer):
            return self[np.array([rows])][0]
        wanted = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        if wanted.dtype == bool:
            wanted = np.flatnonzero(wanted)
        if len(wanted) and (wanted.min() < -len(self) or wanted.max() >= len(self)):
            raise IndexError(f"row {int(wanted.max())} of {len(self)}")
        wanted = np.where(wanted < 0, wanted + len(self), wanted)
        found = np.empty((len(wanted), self.shape[1]), np.float32)
        size = self._reader.dataset.facts.part_rows
        parts = wanted // size
        for part in np.unique(parts).tolist():
            here = parts == part
            found[here] = self._reader.read(part)[1][wanted[here] - part * size]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All rows in memory, for whoever needs them at once."""
        if copy is False:
            raise ValueError("the rows are on disk, so an array of them is a copy")
        return self[:].astype(dtype or np.float32, copy=False)


class DatasetColumn(Sequence[str]):
    """A column of texts of a data set, N of them: read a part at a time, in order or by index."""

    def __init__(
        self, reader: PartReader, column: Callable[[tuple[list[str], np.ndarray, list[str]]], list[str]]
    ) -> None:
        self._reader, self._column = reader, column

    def __len__(self) -> int:
        """N."""
        return self._reader.dataset.facts.images

    @overload
    def __getitem__(self, rows: int) -> str: ...
    @overload
    def __getitem__(self, rows: slice) -> list[str]: ...
    def __getitem__(self, rows: int | slice) -> str | list[str]:
        """One text, or a list of them."""
        if isinstance(rows, slice):
            return self._several(range(len(self))[rows])
        part, place = divmod(range(len(self))[rows], self._reader.dataset.facts.part_rows)
        return self._column(self._reader.read(part))[place]

    def _several(self, rows: range) -> list[str]:
        """The texts of some rows; those that follow each other are taken from their parts at once."""
        if rows.step != 1:
            return [self[row] for row in rows]
        size, found = self._reader.dataset.facts.part_rows, list[str]()
        for part in range(rows.start // size, -(-rows.stop // size) if rows else 0):
            first = part * size
            found += self._column(self._reader.read(part))[max(0, rows.start - first) : rows.stop - first]
        return found

    def __iter__(self) -> Iterator[str]:
        for part in range(self._reader.dataset.facts.parts):
            yield from self._column(self._reader.read(part))
