"""M embeddings of several classes, found by inner product one class at a time.

Letters: M entries, Q queries, k neighbours, D embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from zsderm.embeddings.nearest_rows import Floats, Integers, checked_queries, finite_matrix
from zsderm.embeddings.vector_index import VectorIndex
from zsderm.errors import InputError


class ClassIndex:
    """M entries of several classes, one exact VectorIndex per class. Its length is M.

    A class is always asked alone: k is clipped per class, and a class with 3 entries neither gives a place to another
    class nor takes one from it.
    """

    def __init__(self, width: int, indexes: Mapping[int, VectorIndex]) -> None:
        self.width = width
        self._indexes = indexes

    @classmethod
    def build(cls, features: npt.ArrayLike, classes: Sequence[int] | Integers) -> ClassIndex:
        """Index M entries by class.

        Args:
            features: (M, D) float32, unit rows.
            classes: (M,) integers, the class of each row.

        Raises:
            InputError: if the two do not belong together, or a row is not of length one.
        """
        entries = finite_matrix(features, "features")  # (M, D)
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
        indexes = {owner: VectorIndex.build(entries[own], own, kind="flat") for owner, own in rows.items()}
        return cls(entries.shape[1], indexes)

    def top_k(self, queries: npt.ArrayLike, class_index: int, k: int) -> tuple[Floats, Integers]:
        """The k entries of one class most like each query, best first.

        Args:
            queries: (Q, D) float32, unit rows.
            class_index: the class to look in; one without entries gives k' = 0.
            k: how many; k' = min(k, entries of that class) come back.

        Returns:
            scores (Q, k') float32, the cosines in falling order, and rows (Q, k') int64 into the M entries.

        Raises:
            InputError: if k is below 1, or the queries have another width or are not finite.
        """
        if class_index in self._indexes:
            return self._indexes[class_index].search(queries, k)
        count = len(checked_queries(queries, self.width, k))
        return np.empty((count, 0), np.float32), np.empty((count, 0), np.int64)

    def count(self, class_index: int) -> int:
        """How many entries a class has."""
        return len(self._indexes.get(class_index, ()))

    def __len__(self) -> int:
        return sum(map(len, self._indexes.values()))
