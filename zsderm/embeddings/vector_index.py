"""M embeddings found by inner product with FAISS: which of all entries is most like this?

A `VectorIndex` is exact up to 200 000 entries; beyond that it is an inverted file whose recall is measured when it is
built. Its entries are in memory while it is built: what does not fit there is for `zsderm.embeddings.disk_index`.

Letters: M entries, Q queries, k neighbours, D embedding width.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from zsderm.arrays import UNIT_TOLERANCE
from zsderm.atomic_files import atomic_file
from zsderm.embeddings.nearest_rows import (
    PROBED,
    WANTED_RECALL,
    Floats,
    Integers,
    checked_queries,
    finite_matrix,
    flat_index,
    recall_of,
)
from zsderm.errors import CheckpointError, FallbackWarning, InputError, SettingsError
from zsderm.stored_json import fields_of, file_sha256, read_json_file

LARGEST_FLAT = 200_000  # entries; a scan of these takes milliseconds, and is exact
TRAINING_PER_CELL = 40  # points per cell that k-means sees; FAISS warns below 39
SAMPLE = 500  # entries that are asked for their neighbours when recall is measured
INDEX_FILE, CARD_FILE = "entries.faiss", "entries.json"


@dataclass(frozen=True)
class IndexCard:
    """What an index is, and whose embeddings it holds."""

    kind: str  # "flat" (exact) or "ivf" (inverted file)
    width: int  # D
    recall: float  # of the ten nearest, measured when it was built; 1.0 for flat
    probes: int  # cells looked into per query; 0 for flat
    checksum: str = ""  # of the knowledge base
    fingerprint: str = ""  # of the encoder


@dataclass(frozen=True)
class _StoredCard(IndexCard):
    """The card in a file, with what tells a damaged file of entries."""

    entries: int = 0  # M
    digest: str = ""  # SHA-256 of the file


class VectorIndex:
    """M entries by id, found by inner product. Its length is M.

    Args:
        card: what the index is.
        index: the FAISS index, with ids.
    """

    def __init__(self, card: IndexCard, index: Any) -> None:
        self.card = card
        self._index = index

    @classmethod
    def build(
        cls,
        features: npt.ArrayLike,
        ids: npt.ArrayLike | None = None,
        *,
        kind: str = "auto",
        checksum: str = "",
        fingerprint: str = "",
        seed: int = 0,
    ) -> VectorIndex:
        """Index entries; an inverted file looks into as many cells as it takes to reach a recall of 0.95.

        Args:
            features: (M, D) float32, unit rows.
            ids: (M,) distinct integers; None numbers the rows from 0.
            kind: "flat", "ivf", or "auto": flat up to 200 000 entries.
            checksum: of the knowledge base, kept in the card.
            fingerprint: of the encoder, kept in the card.
            seed: of the sample that recall is measured on.

        Raises:
            InputError: if there are no rows, shapes do not belong together, ids repeat, or the kind is not known.
        """
        entries = finite_matrix(features, "features")  # (M, D)
        if not len(entries):
            raise InputError("expected `features` to have at least one row, but got none.")
        numbers = np.arange(len(entries)) if ids is None else np.asarray(ids, np.int64)
        if numbers.shape != (len(entries),) or len(np.unique(numbers)) != len(numbers):
            raise InputError(f"expected `ids` to be {len(entries)} distinct integers, one per row.")
        if kind not in ("auto", "flat", "ivf"):
            raise InputError(f"expected `kind` to be auto, flat or ivf, but got {kind!r}.")
        width = entries.shape[1]
        if kind == "flat" or (kind == "auto" and len(entries) <= LARGEST_FLAT):
            return cls(IndexCard("flat", width, 1.0, 0, checksum, fingerprint), flat_index(entries, numbers))
        index = _inverted_file(entries, numbers, seed)
        recall = _probe_until(index, entries, numbers, seed)
        return cls(IndexCard("ivf", width, recall, index.nprobe, checksum, fingerprint), index)

    def search(self, queries: npt.ArrayLike, k: int) -> tuple[Floats, Integers]:
        """The k entries most like each query, best first.

        Args:
            queries: (Q, D) float32, unit rows.
            k: how many; k' = min(k, M) come back.

        Returns:
            scores (Q, k') float32 and ids (Q, k') int64; id -1 where an inverted file found fewer.

        Raises:
            InputError: if k is below 1, or the queries have another width or are not finite.
        """
        asked = checked_queries(queries, self.card.width, k)  # (Q, D)
        kept = min(k, len(self))
        if not len(asked):
            return np.empty((0, kept), np.float32), np.empty((0, kept), np.int64)
        return self._index.search(asked, kept)

    @property
    def ids(self) -> Integers:
        """(M,) int64, in no particular order."""
        if self.card.kind == "flat":
            return faiss.vector_to_array(self._index.id_map)
        lists = self._index.invlists
        sizes = [lists.list_size(cell) for cell in range(lists.nlist)]
        parts = [faiss.rev_swig_ptr(lists.get_ids(c), n).copy() for c, n in enumerate(sizes) if n]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def save(self, folder: Path) -> None:
        """Write entries.faiss and entries.json; each appears whole or not at all.

        Raises:
            SettingsError: the folder cannot be written.
        """
        with atomic_file(folder / INDEX_FILE) as draft:
            faiss.write_index(self._index, str(draft))
            digest = file_sha256(draft)
        with atomic_file(folder / CARD_FILE) as draft:
            card = _StoredCard(**asdict(self.card), entries=len(self), digest=digest)
            draft.write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")

    def keep(self, folder: Path) -> None:
        """As `save`, in a cache: one that cannot be written is a warning."""
        try:
            self.save(folder)
        except SettingsError as error:
            message = f"the index is not kept, and will be built again the next time: {error}"
            warnings.warn(message, FallbackWarning, stacklevel=2)

    @classmethod
    def load(cls, folder: Path, *, checksum: str = "", fingerprint: str = "") -> VectorIndex:
        """Read an index that `save` wrote; its entries stay on disk and are mapped into memory.

        Args:
            folder: where it is.
            checksum: of the base at hand; an index of another base is refused. Empty asks for nothing.
            fingerprint: of the encoder at hand, likewise.

        Raises:
            CheckpointError: if it is missing, unreadable, or belongs to another base or encoder.
        """
        try:
            content = fields_of(_StoredCard, read_json_file(folder / CARD_FILE))
            stored = _StoredCard(**content)
            card = IndexCard(**{field.name: content[field.name] for field in fields(IndexCard)})
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"there is no index in {str(folder)!r} that can be read: {error}. Build it."
            ) from error
        for what, mine, theirs in (("base", checksum, card.checksum), ("encoder", fingerprint, card.fingerprint)):
            if mine and mine != theirs:
                raise CheckpointError(
                    f"the index in {str(folder)!r} was built with another {what} ({theirs or 'unknown'}, not {mine}). "
                    "Build it again."
                )
        path = folder / INDEX_FILE
        try:
            # Before FAISS sees it: it believes every number in a file, and ends the process over some.
            if not path.is_file() or file_sha256(path) != stored.digest:
                raise ValueError(f"{INDEX_FILE} does not have its checksum")
            found = cls(card, faiss.read_index(str(path), faiss.IO_FLAG_MMAP))
            found._check(stored.entries)
        except (OSError, ValueError, RuntimeError) as error:  # RuntimeError is what FAISS raises
            raise CheckpointError(f"the index in {str(folder)!r} is damaged: {error}. Build it again.") from error
        return found

    def _check(self, entries: int) -> None:
        """Refuse entries that `build` does not make.

        Raises:
            ValueError: another number, width or kind of them, ids that repeat, or rows that are not of length one.
        """
        index: Any = self._index
        kinds: dict[str, Any] = {"flat": faiss.IndexIDMap2, "ivf": faiss.IndexIVFFlat}
        kind: Any = type(index)
        if kind is not kinds.get(self.card.kind) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise ValueError(f"it is no index of the kind {self.card.kind!r}")
        if (index.d, len(self)) != (self.card.width, entries) or not len(self):
            raise ValueError(f"it holds {len(self)} entries of {index.d} columns")
        ids = self.ids
        if len(ids) != len(self) or len(np.unique(ids)) != len(ids) or ids.min() < 0:
            raise ValueError("its ids are no distinct numbers")
        for rows in self._rows():
            if not (np.abs(np.linalg.norm(rows, axis=1) - 1) < UNIT_TOLERANCE).all():
                raise ValueError("its rows are not of length one")

    def _rows(self) -> Iterator[Floats]:
        """The entries, (n, D) at a time, in no particular order."""
        if self.card.kind == "flat":
            inner: Any = faiss.downcast_index(self._index.index)
            yield faiss.rev_swig_ptr(inner.get_xb(), len(self) * self.card.width).reshape(-1, self.card.width)
            return
        lists = self._index.invlists
        for cell in range(lists.nlist):
            size = lists.list_size(cell)
            if size:
                codes = faiss.rev_swig_ptr(lists.get_codes(cell), size * 4 * self.card.width)
                yield codes.view(np.float32).reshape(size, self.card.width)

    def __len__(self) -> int:
        return int(self._index.ntotal)


def _inverted_file(entries: Floats, ids: Integers, seed: int) -> Any:
    count, width = entries.shape
    cells = int(min(4 * np.sqrt(count), count / TRAINING_PER_CELL))
    index: Any = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, max(1, cells), faiss.METRIC_INNER_PRODUCT)
    chosen = np.random.default_rng(seed).permutation(count)[: max(1, cells) * TRAINING_PER_CELL]
    index.train(entries[chosen])
    index.add_with_ids(entries, ids)
    return index


def _probe_until(index: Any, entries: Floats, ids: Integers, seed: int) -> float:
    """Look into twice as many cells until the recall is reached; returns the recall."""
    rng = np.random.default_rng(seed)
    queries = entries[rng.permutation(len(entries))[:SAMPLE]]
    # An entry finds itself anywhere; a step aside makes it a fair question.
    queries = queries + rng.normal(0, 0.3 / np.sqrt(entries.shape[1]), queries.shape).astype(np.float32)
    k = min(PROBED, len(entries))
    true = flat_index(entries, ids).search(queries, k)[1]
    index.nprobe = 1
    while (recall := recall_of(index.search(queries, k)[1], true)) < WANTED_RECALL and index.nprobe < index.nlist:
        index.nprobe = min(2 * index.nprobe, index.nlist)
    return recall
