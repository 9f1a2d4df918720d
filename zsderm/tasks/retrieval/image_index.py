"""Find photographs by a text or by another photograph: a FAISS index over a folder, built once.

Letters: N images, D embedding width.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zsderm import images
from zsderm.embeddings import EmbeddableImage, embed_images, embed_texts
from zsderm.embeddings.vector_index import VectorIndex
from zsderm.errors import CheckpointError, ImageError
from zsderm.file_names import printable
from zsderm.tasks.retrieval.image_search import Floats, Hit, ImageSearch
from zsderm.wording import none_of

if TYPE_CHECKING:
    from zsderm.encoders import Encoder


@dataclass(frozen=True, eq=False)
class ImageIndex(ImageSearch):
    """The photographs of a folder, found by inner product.

    Attributes:
        paths: N paths, sorted the way people count.
        errors: a reason for each photograph that could not be read, by path.
        rebuilt: whether the index had to be built, or was there already.
        passed_over: what was left out in the folder; see `zsderm.images.ImageList`.
    """

    paths: tuple[str, ...]
    errors: Mapping[str, str]
    rebuilt: bool
    _encoder: Encoder
    _entries: VectorIndex
    passed_over: Mapping[str, int]

    @classmethod
    def open(
        cls,
        encoder: Encoder,
        folder: str | os.PathLike[str],
        *,
        cache: Path | None = None,
        batch_size: int = 64,
        progress: bool = False,
        follow_links: bool = False,
    ) -> ImageIndex:
        """The index of a folder: from the cache if no photograph has come, gone or changed since, else built.

        A photograph counts as changed when its size or its time of change differs. Features of unchanged photographs
        come from the cache, so building again after a small change is quick.

        Args:
            encoder: embeds the photographs, and later the queries.
            folder: searched in depth.
            cache: keeps features and index; None keeps nothing.
            batch_size: images encoded at once.
            progress: show a bar on stderr if that is a terminal.
            follow_links: whether links to folders are followed.

        Raises:
            ImageError: the folder is missing or holds no image that can be read.
        """
        passed_over: Counter[str] = Counter()
        paths = images.find(Path(folder), follow_links=follow_links, passed_over=passed_over)
        marks: dict[str, Any] = {"checksum": state_of(paths), "fingerprint": encoder.fingerprint}
        place = cache and cache / "image-indexes" / f"{short_hash(os.path.abspath(folder))}-{encoder.fingerprint}"
        names = tuple(map(str, paths))
        if place:
            try:
                entries = VectorIndex.load(place, **marks)
                if entries.ids.max() >= len(paths) or entries.card.width != encoder.card.width:
                    raise CheckpointError(f"the index in '{place}' is not of these photographs. Build it again.")
                missing = sorted(set(range(len(paths))) - set(entries.ids.tolist()))
                errors = _reasons(encoder, [names[row] for row in missing])
                return cls(names, errors, False, encoder, entries, passed_over)
            except CheckpointError:
                pass  # not there yet, out of date or damaged: built below
        embedded = embed_images(encoder, paths, batch_size=batch_size, cache=cache, progress=progress)
        if not embedded.ok.any():
            raise ImageError(f"{none_of(len(paths), 'image')} be read in '{folder}': {embedded.errors[0]}")
        entries = VectorIndex.build(embedded.features[embedded.ok], np.flatnonzero(embedded.ok), **marks)
        if place:
            entries.keep(place)
        reasons = {names[row]: reason for row, reason in embedded.errors.items()}
        return cls(names, reasons, True, encoder, entries, passed_over)

    def _search(self, query: Floats, k: int) -> list[Hit]:
        scores, rows = self._entries.search(query, k)
        found = zip(scores[0].tolist(), rows[0].tolist(), strict=True)
        return [Hit(score, self.paths[row]) for score, row in found if row >= 0]

    def __len__(self) -> int:
        """How many photographs can be found."""
        return len(self._entries)


def nearest_texts(
    encoder: Encoder, texts: Sequence[str], query: str | None, image: EmbeddableImage | None, k: int = 10
) -> list[tuple[float, str]]:
    """The k texts of a list that a text or a photograph is most like, best first, each distinct one once.

    Args:
        encoder: embeds both sides.
        texts: the candidates.
        query: a text, or None.
        image: a photograph where there is no text.
        k: at least 1; clipped to the number of distinct texts.

    Raises:
        ImageError: the photograph cannot be read.
    """
    if query is not None or image is None:
        asked = embed_texts(encoder, [query or ""])
    else:
        embedded = embed_images(encoder, [image])
        if not embedded.ok[0]:
            raise ImageError(f"cannot read the image '{printable(str(image))}': {embedded.errors[0]}")
        asked = embedded.features
    distinct = list(dict.fromkeys(texts))
    scores = embed_texts(encoder, distinct) @ asked[0]
    return [(float(scores[row]), distinct[row]) for row in np.argsort(-scores, kind="stable")[:k]]


def state_of(paths: Sequence[Path]) -> str:
    """16 hex digits over names, sizes, times of change and how images are decoded; a file that is gone has size -1."""
    digest = hashlib.sha256(f"{images.VERSION}\n".encode())
    for path in paths:
        try:
            status = path.stat()
            facts = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            facts = "-1"
        digest.update(f"{path}\n{facts}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _reasons(encoder: Encoder, paths: Sequence[str]) -> dict[str, str]:
    """Why photographs could not be read: they are few, so they are simply tried again."""
    return {paths[row]: reason for row, reason in embed_images(encoder, paths).errors.items()} if paths else {}


def short_hash(text: str) -> str:
    """16 hex digits of a text."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
