"""Rows that are too many for memory, looked at once from first to last, or named one by one.

Letters: N rows, D embedding width, n rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from zsderm.embeddings.dataset_rows import DatasetRows
from zsderm.embeddings.feature_files import StoredEmbeddings
from zsderm.embeddings.nearest_rows import Floats, Integers

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


def names_of(stored: StoredEmbeddings, rows: Integers) -> list[str]:
    """The names of some of the images; of a data set, only the names in the parts that they lie in are read.

    Args:
        stored: N images.
        rows: (n,) which of them, in any order.

    Raises:
        InputError: a part is not there, or damaged.
    """
    if not isinstance(stored.features, DatasetRows):
        return [stored.images[row] for row in rows.tolist()]
    from pyarrow import parquet

    dataset = stored.features.dataset
    parts, places = np.divmod(rows, dataset.facts.part_rows)
    names = [""] * len(rows)

    def read(part: int) -> None:
        here = np.flatnonzero(parts == part)
        try:
            with dataset.folder.open(dataset.part_name(part)) as stream:
                file = parquet.ParquetFile(stream, page_checksum_verification=True)
                if file.metadata.num_rows != len(dataset.facts.rows(part)):
                    raise ValueError(f"it has {file.metadata.num_rows} rows")
                column = file.read(columns=["image"], use_threads=False)["image"]
            found = column.take(places[here]).to_pylist()
        except (OSError, ValueError, LookupError, MemoryError) as error:
            raise dataset.damaged(part, error) from error
        for row, name in zip(here.tolist(), found, strict=True):
            names[row] = name

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, np.unique(parts).tolist()))
    return names
