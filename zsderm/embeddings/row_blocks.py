"""Rows that are too many for memory, looked at once from first to last, or picked one by one.

Letters: N rows, D embedding width, n rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from zsderm.arrays import UNIT_TOLERANCE
from zsderm.embeddings.dataset_folder import DatasetFolder
from zsderm.embeddings.dataset_rows import DatasetRows
from zsderm.embeddings.feature_files import StoredEmbeddings
from zsderm.embeddings.nearest_rows import Floats, Integers
from zsderm.errors import InputError

BLOCK = 16_384  # rows in memory at a time
READERS = 8  # parts of a data set that are read at once: where it is far away, most of the time is waiting


class StoredRows(Protocol):
    """(N, D) float32 rows, taken by slices and by arrays of indices: an array, or `zsderm.embeddings.DatasetRows`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, D)."""
        ...

    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


def blocks_of(rows: StoredRows, stretch: range) -> Iterator[tuple[Integers, Floats]]:
    """The rows of a stretch that are not NaN, a block at a time, while the next is being read: ids and (n, D) rows."""
    starts = range(stretch.start, stretch.stop, BLOCK)

    def read(start: int) -> tuple[Integers, Floats]:
        block = np.asarray(rows[start : min(start + BLOCK, stretch.stop)], np.float32)
        kept = np.flatnonzero(np.isfinite(block).all(axis=1))
        return start + kept, np.ascontiguousarray(block[kept])

    with ThreadPoolExecutor(1) as reader:
        coming = [reader.submit(read, start) for start in starts[:1]]
        for start in [*starts[1:], None]:
            ids, block = coming.pop().result()
            if start is not None:
                coming.append(reader.submit(read, start))
            if len(ids):
                yield ids, block


def picked(stored: StoredEmbeddings, rows: Integers) -> tuple[list[str], Floats]:
    """Some of the images and their rows; each part of a data set that they lie in is read once.

    Args:
        stored: N rows.
        rows: (n,) which of them, in any order, none of NaN.

    Returns:
        n names; (n, D) float32.

    Raises:
        InputError: a part is not there, or damaged.
    """
    if not isinstance(stored.features, DatasetRows):
        return [stored.images[row] for row in rows.tolist()], np.asarray(stored.features[rows])
    found = np.empty((len(rows), stored.features.shape[1]), np.float32)
    names = [""] * len(rows)
    for here, of_part in _of_parts(stored.features.dataset, rows, ["image", "embedding"]):
        found[here] = of_part["embedding"].combine_chunks().flatten().to_numpy().reshape(len(here), -1)
        for row, name in zip(here.tolist(), of_part["image"].to_pylist(), strict=True):
            names[row] = name
    if not (np.abs(np.linalg.norm(found, axis=1) - 1) < UNIT_TOLERANCE).all():
        raise InputError(f"expected rows of length one in '{stored.features.dataset.folder}', but some are not.")
    return names, found


def picked_names(stored: StoredEmbeddings, rows: Integers) -> list[str]:
    """The names of some of the images; see `picked`."""
    if not isinstance(stored.features, DatasetRows):
        return [stored.images[row] for row in rows.tolist()]
    names = [""] * len(rows)
    for here, of_part in _of_parts(stored.features.dataset, rows, ["image"]):
        for row, name in zip(here.tolist(), of_part["image"].to_pylist(), strict=True):
            names[row] = name
    return names


def _of_parts(dataset: DatasetFolder, rows: Integers, columns: list[str]) -> Iterator[tuple[Integers, Any]]:
    """For each part that rows lie in: their places among the rows, and a table of some columns of them."""
    from pyarrow import parquet

    parts, places = np.divmod(rows, dataset.facts.part_rows)

    def read(part: int) -> tuple[Integers, Any]:
        here = np.flatnonzero(parts == part)
        try:
            with dataset.folder.open(dataset.part_name(part)) as stream:
                file = parquet.ParquetFile(stream, page_checksum_verification=True)
                if file.metadata.num_rows != len(dataset.facts.rows(part)):
                    raise ValueError(f"it has {file.metadata.num_rows} rows")
                return here, file.read(columns=columns, use_threads=False).take(places[here])
        except (OSError, ValueError, LookupError, MemoryError) as error:
            raise dataset.damaged(part, error) from error

    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(read, np.unique(parts).tolist())
