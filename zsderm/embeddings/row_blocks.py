"""Rows that are too many for memory, looked at once from first to last, or named one by one.

Letters: N rows, D embedding width, n rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

import numpy as np

from zsderm.embeddings.dataset_folder import DatasetFolder
from zsderm.embeddings.dataset_rows import DatasetRows
from zsderm.embeddings.feature_files import StoredEmbeddings
from zsderm.embeddings.nearest_rows import Floats, Integers
from zsderm.places import LocalFolder, mapped_ahead

BLOCK = 16_384  # rows of an array looked at at a time
READERS = 8  # parts of a data set that are read at once where it is far away, and most of the time is waiting
LOCAL_READERS = 2


class StoredRows(Protocol):
    """(N, D) float32 rows, taken by slices and by arrays of indices: an array, or `zsderm.embeddings.DatasetRows`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, D)."""
        ...

    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


def blocks_of(rows: StoredRows, stretch: range) -> Iterator[tuple[Integers, Floats]]:
    """The rows of a stretch that are not NaN, some at a time: their (n,) ids, and (n, D) float32.

    The parts of a data set are read ahead, several at once.
    """
    if isinstance(rows, DatasetRows):
        size = rows.dataset.facts.part_rows
        parts = range(stretch.start // size, -(-stretch.stop // size)) if stretch else range(0)
        blocks = ((part * size, features) for part, features in _parts(rows, parts))
    else:
        starts = range(stretch.start, stretch.stop, BLOCK)
        blocks = ((start, np.asarray(rows[start : min(start + BLOCK, stretch.stop)], np.float32)) for start in starts)
    for start, block in blocks:
        first, last = max(stretch.start - start, 0), min(stretch.stop - start, len(block))
        kept = first + np.flatnonzero(np.isfinite(block[first:last]).all(axis=1))
        if len(kept):
            yield start + kept, np.ascontiguousarray(block[kept])


def rows_at(rows: StoredRows, places: Integers) -> Floats:
    """Some of the rows, (n, D) float32; the parts of a data set are read ahead.

    Args:
        rows: N rows.
        places: (n,) which of them, in rising order.
    """
    if not isinstance(rows, DatasetRows):
        return np.asarray(rows[places], np.float32)
    parts, own = np.divmod(places, rows.dataset.facts.part_rows)
    wanted, starts = np.unique(parts, return_index=True)
    found = np.empty((len(places), rows.shape[1]), np.float32)
    stops = np.append(starts, len(places))[1:].tolist()
    for (_, features), start, stop in zip(_parts(rows, wanted.tolist()), starts.tolist(), stops, strict=True):
        found[start:stop] = features[own[start:stop]]
    return found


def _parts(rows: DatasetRows, parts: Iterable[int]) -> Iterator[tuple[int, Floats]]:
    """Parts of a data set with their rows."""
    dataset = rows.dataset
    readers = LOCAL_READERS if isinstance(dataset.folder, LocalFolder) else READERS
    return mapped_ahead(parts, lambda part: dataset.read_part(part)[1], readers)


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
    dataset = stored.features.dataset
    parts, places = np.divmod(rows, dataset.facts.part_rows)
    names = [""] * len(rows)

    def read(part: int) -> None:
        here = np.flatnonzero(parts == part)
        for row, name in zip(here.tolist(), _names_in(dataset, part).take(places[here]).to_pylist(), strict=True):
            names[row] = name

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, np.unique(parts).tolist()))
    return names


def all_names(stored: StoredEmbeddings) -> Iterator[str]:
    """The names of the images in their order; of a data set, a part at a time, and only the column of names is read.

    Raises:
        InputError: a part is not there, or its names cannot be read.
    """
    if not isinstance(stored.features, DatasetRows):
        yield from stored.images
        return
    dataset = stored.features.dataset
    readers = LOCAL_READERS if isinstance(dataset.folder, LocalFolder) else READERS
    for _, column in mapped_ahead(range(dataset.facts.parts), partial(_names_in, dataset), readers):
        yield from column.to_pylist()


def _names_in(dataset: DatasetFolder, part: int) -> Any:
    """The column of names of a part, as pyarrow has it; the rest of the part is not read, and not checked."""
    from pyarrow import parquet

    try:
        with dataset.folder.open(dataset.part_name(part)) as stream:
            file = parquet.ParquetFile(stream, page_checksum_verification=True)
            if file.metadata.num_rows != len(dataset.facts.rows(part)):
                raise ValueError(f"it has {file.metadata.num_rows} rows")
            return file.read(columns=["image"], use_threads=False)["image"]
    except (OSError, ValueError, LookupError, MemoryError) as error:
        raise dataset.damaged(part, error) from error
