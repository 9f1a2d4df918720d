"""The descriptions of every class, ready to be asked which of them an image resembles most."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np
import numpy.typing as npt

from zsderm.errors import InputError

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class DescriptionIndex:
    """M description embeddings, one exact inner-product FAISS index per class.

    One index per class, because a class is always asked alone: K is clipped per class, and a class with
    3 descriptions never takes a place from, or lends one to, another. Its length is M.
    """

    def __init__(self, width: int, indexes: dict[int, faiss.IndexFlatIP], rows: dict[int, Integers]) -> None:
        self.width = width
        self._indexes = indexes
        self._rows = rows  # class -> its rows among the M entries

    @classmethod
    def build(cls, features: npt.ArrayLike, classes: Sequence[int] | Integers) -> DescriptionIndex:
        """Index M descriptions by class.

        Args:
            features: (M, D) float32, unit rows.
            classes: (M,) integers, the class of each row.

        Raises:
            InputError: if the two do not belong together, or a row is not of length one.
        """
        entries = _matrix(features, "features")  # (M, D)
        owners = np.asarray(classes, dtype=np.int64)
        if owners.shape != (len(entries),):
            raise InputError(
                f"expected `classes` to have shape ({len(entries)},), one per row, but got {owners.shape}."
            )
        lengths = np.linalg.norm(entries, axis=1)
        if not np.allclose(lengths, 1, atol=1e-2):  # float16 towers are off by about 1e-3
            worst = lengths[np.abs(lengths - 1).argmax()]
            raise InputError(
                f"expected `features` to be unit rows, but one has length {worst:.4g}. Normalise them first."
            )
        rows = {int(owner): np.flatnonzero(owners == owner) for owner in np.unique(owners)}
        return cls(entries.shape[1], {owner: _flat(entries[mine]) for owner, mine in rows.items()}, rows)

    def top_k(self, queries: npt.ArrayLike, class_index: int, k: int) -> tuple[Floats, Integers]:
        """The k descriptions of one class most like each query, best first.

        Args:
            queries: (Q, D) float32, unit rows.
            class_index: the class to look in; one without descriptions gives k' = 0.
            k: how many; k' = min(k, descriptions of that class) come back.

        Returns:
            scores (Q, k') float32, the cosines in falling order, and rows (Q, k') int64 into the M entries.

        Raises:
            InputError: if k is below 1, or the queries have another width or are not finite.
        """
        asked = _matrix(queries, "queries")  # (Q, D)
        if asked.shape[1] != self.width:
            raise InputError(f"expected `queries` to have width {self.width}, but got {asked.shape[1]}.")
        if k < 1:
            raise InputError(f"expected `k` to be at least 1, but got {k}.")
        kept = min(k, self.count(class_index))
        if not kept or not len(asked):
            return np.empty((len(asked), kept), np.float32), np.empty((len(asked), kept), np.int64)
        scores, positions = self._indexes[class_index].search(asked, kept)  # (Q, k') twice
        return scores, self._rows[class_index][positions]

    def count(self, class_index: int) -> int:
        """How many descriptions a class has."""
        return len(self._rows.get(class_index, ()))

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))


def _flat(entries: Floats) -> faiss.IndexFlatIP:
    index = faiss.IndexFlatIP(entries.shape[1])
    index.add(entries)
    return index


def _matrix(values: npt.ArrayLike, argument: str) -> Floats:
    matrix = np.ascontiguousarray(values, dtype=np.float32)
    if matrix.ndim != 2:
        raise InputError(f"expected `{argument}` to have two dimensions, (rows, width), but got shape {matrix.shape}.")
    # FAISS answers a NaN query with row -1, which numpy would read as the last row.
    if not np.isfinite(matrix).all():
        raise InputError(f"expected `{argument}` to be finite, but it holds NaN or infinity.")
    return matrix
