"""Stretches of rows on their way into an index on disk: each is a file that appears whole or not at all.

So a build that was stopped goes on with the stretches that are missing. A shard also holds which of its rows are
nearest to the queries that recall will be measured on, found exactly while the rows are at hand.

Letters: N rows, n of them in a shard, C cells, D embedding width, Q queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from zsderm.atomic_files import atomic_file
from zsderm.embeddings.disk_index.card import ARRAY_ERRORS
from zsderm.embeddings.disk_index.cells import CODE_BYTES, ID_BYTES, Cells, list_bytes, lists_in
from zsderm.embeddings.nearest_rows import PROBED, Floats, Integers, NearestRows
from zsderm.embeddings.row_blocks import StoredRows, blocks_of

SHARD_ROWS = 65_536  # 50 MB of 384 columns: seconds of work, what a stopped build loses at most


@dataclass(frozen=True, eq=False)
class Shard:
    """n rows in the order of their cells.

    Attributes:
        sizes: (C,) int64, rows of each cell.
        codes: (n, 2 D) uint8.
        ids: (n,) int64, which rows of all N they are.
        scores: (Q, K) float32, of the rows of the shard that are nearest to each query.
        nearest: (Q, K) int64, which of all N rows those are; -1 where the shard has fewer.
    """

    sizes: Integers
    codes: np.ndarray
    ids: Integers
    scores: Floats
    nearest: Integers

    @classmethod
    def of(cls, rows: StoredRows, stretch: range, cells: Cells, queries: Floats) -> Shard:
        """The shard of a stretch of the rows; rows of NaN are left out."""
        index = cells.index()
        near = NearestRows(queries, PROBED)
        for ids, block in blocks_of(rows, stretch):
            index.add_with_ids(block, ids)
            near.show(block, ids)
        sizes, codes, all_ids = lists_in(index)
        return cls(sizes, codes, all_ids, near.scores, near.ids)

    def write(self, path: Path) -> None:
        """Write it as .npz, whose checksums tell damage."""
        with atomic_file(path, durable=False) as draft:
            np.savez(draft, **vars(self))

    @classmethod
    def read(cls, path: Path, stretch: range, cells: Cells, queries: int) -> Shard:
        """Read one.

        Args:
            path: of the file.
            stretch: of the rows that it should be of.
            cells: that it should be of.
            queries: Q.

        Raises:
            ValueError: it is damaged, or another.
        """
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                shard = cls(**stored)
            shard._check(stretch, cells, queries)
        except (*ARRAY_ERRORS, TypeError) as error:
            raise ValueError(str(error)) from error
        return shard

    def _check(self, stretch: range, cells: Cells, queries: int) -> None:
        count, width = cells.centres.shape
        n = len(self.ids)
        shapes = [(count,), (n, width * CODE_BYTES), (n,), (queries, PROBED), (queries, PROBED)]
        kinds = ["int64", "uint8", "int64", "float32", "int64"]
        for array, shape, kind in zip(vars(self).values(), shapes, kinds, strict=True):
            if array.shape != shape or array.dtype != kind:
                raise ValueError("it holds other arrays")
        if (self.sizes < 0).any() or self.sizes.sum() != n:
            raise ValueError("its cells do not hold its rows")
        if n and not (stretch.start <= self.ids.min() and self.ids.max() < stretch.stop):
            raise ValueError("its rows are of another shard")

    def lists(self) -> Iterator[tuple[int, np.ndarray, Integers]]:
        """The cells that hold rows: number, (n, 2 D) uint8 and (n,) int64."""
        ends = np.cumsum(self.sizes)
        for cell in np.flatnonzero(self.sizes).tolist():
            here = slice(int(ends[cell] - self.sizes[cell]), int(ends[cell]))
            yield cell, self.codes[here], self.ids[here]


def write_lists(stream: BinaryIO, shards: Iterable[Shard], sizes: Integers, width: int) -> None:
    """Write the rows of all shards so that those of a cell stand together: their bytes, then their ids.

    Args:
        stream: of an empty file.
        shards: one is in memory at a time.
        sizes: (C,) int64, rows of each cell in all of them.
        width: D.
    """
    code = width * CODE_BYTES
    starts = (np.cumsum(sizes) - sizes) * (code + ID_BYTES)
    written = np.zeros(len(sizes), np.int64)
    stream.truncate(list_bytes(sizes, width))
    for shard in shards:
        for cell, codes, ids in shard.lists():
            stream.seek(int(starts[cell] + written[cell] * code))
            stream.write(codes.tobytes())
            stream.seek(int(starts[cell] + sizes[cell] * code + written[cell] * ids.itemsize))
            stream.write(ids.astype("<i8", copy=False).tobytes())
            written[cell] += len(ids)


def stretches(count: int, shard_rows: int) -> Sequence[range]:
    """Which rows go into which shard."""
    return [range(start, min(start + shard_rows, count)) for start in range(0, count, shard_rows)]
