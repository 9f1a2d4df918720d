"""The rows with the largest inner products, exactly; what every index is measured against.

Letters: M entries, Q queries, k neighbours, D embedding width.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from zsderm.errors import InputError

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

WANTED_RECALL = 0.95  # share of the true ten nearest that an inverted file has to find
PROBED = 10  # neighbours that recall is measured on


def flat_index(entries: Floats, ids: Integers) -> Any:
    """An exact FAISS index of (M, D) entries by (M,) ids."""
    index: Any = faiss.IndexIDMap2(faiss.IndexFlatIP(entries.shape[1]))
    index.add_with_ids(entries, ids)
    return index


class NearestRows:
    """The k rows most like each query, of rows that are shown a stretch at a time: exact, and in flat memory.

    Args:
        queries: (Q, D) float32.
        k: how many are kept.

    Attributes:
        scores: (Q, k) float32, in falling order; minus infinity where fewer rows were shown.
        ids: (Q, k) int64; -1 where fewer rows were shown.
    """

    def __init__(self, queries: Floats, k: int) -> None:
        self.queries = queries
        self.scores = np.full((len(queries), k), -np.inf, np.float32)
        self.ids = np.full((len(queries), k), -1, np.int64)

    def show(self, rows: Floats, ids: Integers) -> None:
        """Look at (n, D) more rows, with their (n,) ids."""
        k = min(self.ids.shape[1], len(rows))
        if not k or not len(self.queries):
            return
        scores, places = faiss.knn(self.queries, rows, k, metric=faiss.METRIC_INNER_PRODUCT)
        self.add(scores, ids[places])

    def add(self, scores: Floats, ids: Integers) -> None:
        """Put in what others found: (Q, any) scores and ids; the better of all stay, the earlier of equals."""
        k = self.ids.shape[1]
        all_scores, all_ids = np.concatenate([self.scores, scores], 1), np.concatenate([self.ids, ids], 1)
        best = np.argsort(-all_scores, axis=1, kind="stable")[:, :k]
        self.scores = np.take_along_axis(all_scores, best, 1)
        self.ids = np.take_along_axis(all_ids, best, 1)


def recall_of(found: Integers, true: Integers) -> float:
    """The share of the true neighbours that were found, whatever their order.

    Args:
        found: (Q, k) ids.
        true: (Q, k) ids.
    """
    return float(np.mean([len(np.intersect1d(f, t)) / len(t) for f, t in zip(found, true, strict=True)]))


def finite_matrix(values: npt.ArrayLike, argument: str) -> Floats:
    """A matrix of finite float32.

    Args:
        values: (rows, D).
        argument: its name, for the error.

    Raises:
        InputError: it has other dimensions, or holds NaN or infinity.
    """
    matrix = np.ascontiguousarray(values, dtype=np.float32)
    if matrix.ndim != 2:
        raise InputError(f"expected `{argument}` to have two dimensions, (rows, width), but got shape {matrix.shape}.")
    # FAISS answers a NaN query with row -1, which numpy would read as the last row.
    if not np.isfinite(matrix).all():
        raise InputError(f"expected `{argument}` to be finite, but it holds NaN or infinity.")
    return matrix


def checked_queries(values: npt.ArrayLike, width: int, k: int) -> Floats:
    """(Q, D) float32 queries, of the width of the entries; k is checked as well.

    Raises:
        InputError: k is below 1, or the queries have another width or are not finite.
    """
    asked = finite_matrix(values, "queries")
    if asked.shape[1] != width:
        raise InputError(f"expected `queries` to have width {width}, but got {asked.shape[1]}.")
    if k < 1:
        raise InputError(f"expected `k` to be at least 1, but got {k}.")
    return asked
