"""Into which cell of an inverted file a row goes, and how it is written there: learned once, from a sample of the rows.

What is written of a row is how far it is from the centre of its cell, in float16: half of what the row itself takes,
and near enough that cosines are those of the row to 1e-4. One byte a column would be half as much again. But then the
best have to be told by the rows themselves, and to read these from a data set takes twenty times as long as the search.

Letters: C cells, D embedding width, S rows of the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from zsderm.embeddings.nearest_rows import Floats, Integers

MOST_CELLS = 6400
TRAINING_PER_CELL = 40  # rows of the sample for each cell; FAISS warns below 39
CODE_BYTES, ID_BYTES = 2, 8


def cells_for(count: int) -> int:
    """How many cells an index of so many rows has: twice the root, so that cells are as long as there are many.

    >>> cells_for(1_000_000), cells_for(300), cells_for(100_000_000)
    (2000, 7, 6400)
    """
    return max(1, min(int(2 * np.sqrt(count)), count // TRAINING_PER_CELL, MOST_CELLS))


@dataclass(frozen=True, eq=False)
class Cells:
    """What was learned from the sample.

    Attributes:
        centres: (C, D) float32, of the cells.
    """

    centres: Floats

    @classmethod
    def train(cls, sample: Floats, cells: int) -> Cells:
        """Learn from (S, D) float32 unit rows, at least as many as there are cells; the same rows give the same."""
        index = _empty(sample.shape[1], cells)
        index.train(sample)
        return cls(index.quantizer.reconstruct_n(0, cells))

    def index(self) -> Any:
        """A FAISS inverted file with these cells and nothing in it."""
        count, width = self.centres.shape
        index = _empty(width, count)
        index.quantizer.add(self.centres)
        index.is_trained = True
        return index

    def check(self) -> None:
        """Refuse what `train` does not give.

        Raises:
            ValueError: another shape, or numbers that are not finite.
        """
        if self.centres.ndim != 2 or 0 in self.centres.shape or self.centres.dtype != np.float32:
            raise ValueError("it does not say where its cells are")
        if not np.isfinite(self.centres).all():
            raise ValueError("its cells are no finite numbers")


def lists_in(index: Any) -> tuple[Integers, np.ndarray, Integers]:
    """What an inverted file in memory holds, in the order of its cells, as copies.

    Returns:
        (C,) int64, rows of each cell; (n, 2 D) uint8, the rows as they are written; (n,) int64, their ids.
    """
    lists, width = index.invlists, index.code_size
    sizes = np.array([lists.list_size(cell) for cell in range(lists.nlist)], np.int64)
    codes, ids = np.empty((sizes.sum(), width), np.uint8), np.empty(sizes.sum(), np.int64)
    stop = 0
    for cell in np.flatnonzero(sizes).tolist():
        size = int(sizes[cell])
        start, stop = stop, stop + size
        codes[start:stop] = faiss.rev_swig_ptr(lists.get_codes(cell), size * width).reshape(size, width)
        ids[start:stop] = faiss.rev_swig_ptr(lists.get_ids(cell), size)
    return sizes, codes, ids


def list_bytes(sizes: Integers, width: int) -> int:
    """How long a file is in which all cells stand one after the other: the bytes of their rows, then their ids."""
    return int(sizes.sum()) * (width * CODE_BYTES + ID_BYTES)


def map_lists(index: Any, path: str, sizes: Integers) -> None:
    """Let an inverted file find its rows in a file that is mapped into memory, and read where a query looks.

    FAISS reads no number from that file that it would trust: where each cell is follows from the sizes alone.

    Args:
        index: as `Cells.index` gives it.
        path: of a file of `list_bytes` bytes at least.
        sizes: (C,) int64, rows of each cell.
    """
    lists: Any = faiss.OnDiskInvertedLists()
    lists.nlist, lists.code_size, lists.read_only = len(sizes), index.code_size, True
    lists.filename, lists.totsize = path, list_bytes(sizes, index.d)
    lists.lists.resize(len(sizes))
    counts = np.ascontiguousarray(sizes, np.uint64)
    lists.set_all_lists_sizes(faiss.swig_ptr(counts))
    lists.do_mmap()
    index.replace_invlists(lists, True)  # which owns them from now on
    lists.this.disown()
    index.ntotal = int(sizes.sum())


def _empty(width: int, cells: int) -> Any:
    centres: Any = faiss.IndexFlatIP(width)
    kind = faiss.ScalarQuantizer.QT_fp16
    return faiss.IndexIVFScalarQuantizer(centres, width, cells, kind, faiss.METRIC_INNER_PRODUCT)
