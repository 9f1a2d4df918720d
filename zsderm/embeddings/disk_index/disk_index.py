"""Rows found by inner product in an inverted file that stays on disk: what a query does not look at is never read.

Letters: N rows, M of them in the index, C cells, Q queries, k neighbours, D embedding width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from zsderm.embeddings.disk_index.card import LISTS_FILE, DiskCard, Marks, read_card
from zsderm.embeddings.disk_index.cells import Cells, map_lists
from zsderm.embeddings.nearest_rows import Floats, Integers, checked_queries
from zsderm.errors import CheckpointError


class DiskIndex:
    """M rows by id, found by inner product. Its length is M.

    Args:
        card: what it is.
        cells: of the rows.
        sizes: (C,) int64, rows of each cell.
        lists: the file they are in.
    """

    def __init__(self, card: DiskCard, cells: Cells, sizes: Integers, lists: Path) -> None:
        self.card = card
        self._lists = lists
        self._index = cells.index()
        map_lists(self._index, str(lists), sizes)

    @classmethod
    def load(cls, folder: Path, marks: Marks) -> DiskIndex:
        """An index that was built; its rows stay on disk and are mapped into memory.

        Raises:
            CheckpointError: there is none, it is of other rows or of another encoder, or damaged.
        """
        card, cells, sizes = read_card(folder, marks)
        try:
            return cls(card, cells, sizes, folder / LISTS_FILE)
        except RuntimeError as error:  # which FAISS raises
            raise CheckpointError(f"the index in {str(folder)!r} cannot be read: {error}. Build it again.") from error

    def search(self, queries: npt.ArrayLike, k: int) -> tuple[Floats, Integers]:
        """The k rows most like each query, best first.

        Args:
            queries: (Q, D) float32, unit rows.
            k: how many; k' = min(k, M) come back. Where the cells that are looked into hold fewer, more are.

        Returns:
            scores (Q, k') float32, the cosines to about 1e-4, and ids (Q, k') int64.

        Raises:
            InputError: k is below 1, or the queries have another width or are not finite.
            CheckpointError: the file has been damaged since it was opened.
        """
        asked = checked_queries(queries, self.card.width, k)
        kept = min(k, len(self))
        scores, ids = np.empty((len(asked), kept), np.float32), np.empty((len(asked), kept), np.int64)
        todo, probes = np.arange(len(asked)), self.card.probes
        while len(todo):
            self._index.nprobe = probes
            scores[todo], ids[todo] = self._index.search(asked[todo], kept)
            todo = todo[(ids[todo] < 0).any(axis=1)] if probes < self.card.cells else todo[:0]
            probes = min(4 * probes, self.card.cells)
        if ids.size and not (ids.min() >= 0 and ids.max() < self.card.rows):
            raise CheckpointError(f"'{self._lists}' is damaged: it holds rows that there are not. Delete it.")
        return scores, ids

    def __len__(self) -> int:
        return self.card.entries


def recall_by_kind(index: DiskIndex, queries: Floats, nearest: Integers, kinds: np.ndarray) -> dict[str, float]:
    """The share of the true neighbours that are found, kind by kind of queries.

    Args:
        index: is asked.
        queries: (Q, D) float32.
        nearest: (Q, K) int64, -1 where there are fewer rows than that.
        kinds: (Q,) what each query is.
    """
    _, found = index.search(queries, nearest.shape[1])
    hits = np.array([np.isin(true[true >= 0], some).mean() for true, some in zip(nearest, found, strict=True)])
    return {str(kind): float(hits[kinds == kind].mean()) for kind in dict.fromkeys(kinds.tolist())}
