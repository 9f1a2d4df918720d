"""Find photographs by a text or by another photograph in stored embeddings: of one file, or of a data set of millions.

Letters: N images, D embedding width.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zsderm.embeddings import DatasetRows, StoredEmbeddings, embed_texts, read_embeddings
from zsderm.embeddings.disk_index import DiskIndex, Marks, build, clear
from zsderm.embeddings.nearest_rows import Floats, NearestRows
from zsderm.embeddings.row_blocks import blocks_of, names_of
from zsderm.embeddings.vector_index import LARGEST_FLAT, VectorIndex
from zsderm.errors import CheckpointError, FallbackWarning, ImageError, SettingsError
from zsderm.knowledge.base import KnowledgeBase
from zsderm.places import LocalFolder
from zsderm.tasks.retrieval.image_index import short_hash
from zsderm.tasks.retrieval.image_search import Hit, ImageSearch, same_name
from zsderm.wording import none_of

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

TEXTS = 200  # sentences of the bundled knowledge base that recall is measured on


class EmbeddedIndex(ImageSearch):
    """The photographs of a data set of embeddings, found by inner product.

    Up to 200 000 photographs the search is exact. Beyond that it is an inverted file on disk whose recall is measured
    when it is built. Of the data set itself only the names of what was found are read.

    Attributes:
        images: N, how many photographs the data set lists.
        rebuilt: whether an index had to be built.
        recall: of the ten nearest photographs, beside an exact search; 1.0 where the search is exact.
    """

    def __init__(
        self, encoder: Encoder, stored: StoredEmbeddings, entries: VectorIndex | DiskIndex | None, rebuilt: bool
    ) -> None:
        self._encoder, self._stored, self._entries = encoder, stored, entries
        self.images, self.rebuilt = len(stored.images), rebuilt
        self.recall = 1.0 if entries is None else entries.card.recall

    @classmethod
    def open(
        cls,
        encoder: Encoder,
        place: str | os.PathLike[str],
        *,
        cache: Path | None = None,
        progress: bool = False,
        largest_flat: int = LARGEST_FLAT,
    ) -> EmbeddedIndex:
        """The index of a data set: from the cache if it is of the same data set, else built; a build is gone on with.

        Args:
            encoder: that made the embeddings; embeds the queries.
            place: the folder of a data set, or a .npy or .parquet file, as `zsderm embed` writes them.
            cache: keeps the index; without one every query looks at all rows.
            progress: show a bar on stderr if that is a terminal, else a line a minute.
            largest_flat: up to how many photographs the index is exact, and in memory while it is built.

        Raises:
            InputError: no embeddings, not finished, damaged, or of another encoder.
            ImageError: none of the photographs could be read when they were embedded.
        """
        stored = read_embeddings(place, encoder)
        without = cls(encoder, stored, None, False)
        if without.failed == without.images:
            first = next((error for error in stored.errors if error), "there are none")
            raise ImageError(f"{none_of(without.images, 'image')} be embedded in '{place}': {first}")
        if cache is None:
            return without
        folder = cache / "image-indexes" / f"{short_hash(_name_of(place, stored))}-{encoder.fingerprint}"
        rows, width = stored.features.shape
        marks = Marks(_state_of(place, stored), encoder.fingerprint, rows, width)
        entries: VectorIndex | DiskIndex
        try:
            if rows <= largest_flat:
                entries, rebuilt = flat(stored, folder, marks)
            else:
                entries, rebuilt = _on_disk(encoder, stored, folder, marks, progress)
        except (SettingsError, OSError) as error:
            message = f"the index cannot be kept, so every query looks at all embeddings: {error}"
            warnings.warn(message, FallbackWarning, stacklevel=2)
            return without
        return cls(encoder, stored, entries, rebuilt)

    @property
    def _views(self) -> int:
        return self._stored.views

    def _is(self, hit: Hit, own: str) -> bool:
        return super()._is(hit, own) or same_name(hit, own)

    def _search(self, query: Floats, k: int) -> list[Hit]:
        return nearest(self._stored, self._entries, query, k)

    def __len__(self) -> int:
        """How many photographs can be found."""
        return self.images - self.failed if self._entries is None else len(self._entries)

    @property
    def failed(self) -> int:
        """How many photographs could not be read when they were embedded."""
        features = self._stored.features
        if self._entries is not None:
            return self.images - len(self._entries)
        if isinstance(features, DatasetRows) and features.dataset.finished is not None:
            return int(features.dataset.finished["failed"])
        return sum(map(bool, self._stored.errors))


def nearest(stored: StoredEmbeddings, entries: VectorIndex | DiskIndex | None, query: Floats, k: int) -> list[Hit]:
    """The k photographs that are most like a query, best first.

    Args:
        stored: N rows.
        entries: their index; without one all rows are looked at.
        query: (1, D) float32 unit row.
        k: at least 1.

    Raises:
        InputError: a part of the data set is not there, or damaged.
    """
    if entries is not None:
        (scores,), (found,) = entries.search(query, k)
    else:
        near = NearestRows(query, min(k, len(stored.images)))
        for ids, rows in blocks_of(stored.features, range(len(stored.images))):
            near.show(rows, ids)
        scores, found = near.scores[0], near.ids[0]
    there = found >= 0
    names = names_of(stored, found[there])
    return [Hit(score, name) for score, name in zip(scores[there].tolist(), names, strict=True)]


def flat(stored: StoredEmbeddings, folder: Path, marks: Marks) -> tuple[VectorIndex, bool]:
    """The exact index of rows that fit into memory: from a folder, or built and kept there; whether it was built."""
    said: dict[str, Any] = {"checksum": marks.checksum, "fingerprint": marks.fingerprint}
    try:
        return VectorIndex.load(folder, **said), False
    except CheckpointError:
        pass  # not there yet, out of date or damaged: built below
    blocks = list(blocks_of(stored.features, range(marks.rows)))
    ids, rows = (np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    clear(folder)
    index = VectorIndex.build(rows, ids, kind="flat", **said)
    index.keep(folder)
    return index, True


def _on_disk(
    encoder: Encoder, stored: StoredEmbeddings, folder: Path, marks: Marks, progress: bool
) -> tuple[DiskIndex, bool]:
    try:
        return DiskIndex.load(folder, marks), False
    except CheckpointError:
        pass  # not there yet, out of date or damaged: built below
    return build(folder, stored.features, marks, queries=_texts(encoder), progress=progress), True


def _texts(encoder: Encoder) -> dict[str, Floats]:
    """Queries in words to measure recall on: sentences of the bundled knowledge base."""
    sentences = [description.text for description in KnowledgeBase.load("dermatology").descriptions]
    chosen = np.random.default_rng(0).permutation(len(sentences))[:TEXTS]
    return {"texts": embed_texts(encoder, [sentences[row] for row in chosen])}


def _name_of(place: str | os.PathLike[str], stored: StoredEmbeddings) -> str:
    """What tells the place of embeddings from all others."""
    if isinstance(stored.features, DatasetRows):
        folder = stored.features.dataset.folder
        return os.path.abspath(folder.path) if isinstance(folder, LocalFolder) else str(folder)
    return os.path.abspath(place)


def _state_of(place: str | os.PathLike[str], stored: StoredEmbeddings) -> str:
    """16 hex digits of what is said of embeddings: their list, their encoder, the runs that made them.

    A file of them also counts as another when its size or its time of change is.
    """
    if isinstance(stored.features, DatasetRows):
        dataset = stored.features.dataset
        said: list[object] = [asdict(dataset.facts), dataset.finished]
    else:
        status = os.stat(place)
        said = [dict(stored.encoder), status.st_size, status.st_mtime_ns]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]
