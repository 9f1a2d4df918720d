"""The descriptions of a knowledge base that a photograph is most like, among all diseases."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsderm.embeddings import EmbeddableImage, embed_images, embed_texts
from zsderm.embeddings.vector_index import VectorIndex
from zsderm.errors import CheckpointError, ImageError, InputError
from zsderm.knowledge.base import Description, KnowledgeBase
from zsderm.knowledge.prompts import described

if TYPE_CHECKING:
    from zsderm.encoders import Encoder


@dataclass(frozen=True)
class Match:
    """A description and how much a photograph is like it."""

    score: float  # cosine of image and sentence, -1 to 1
    description: Description


def nearest_descriptions(
    encoder: Encoder, base: KnowledgeBase, image: EmbeddableImage, k: int = 10, cache: Path | None = None
) -> list[Match]:
    """The k descriptions of a base that one photograph is most like, best first.

    Each description is embedded in the sentence that names its disease, as in classification. The index of a base and
    an encoder is kept in the cache, so only the first search pays for it.

    Args:
        encoder: embeds image and sentences.
        base: a knowledge base with at least one description.
        image: a path or a PIL image.
        k: at least 1; clipped to the number of descriptions.
        cache: folder for indexes; None keeps nothing.

    Raises:
        ImageError: if the image cannot be read.
        InputError: if the base has no descriptions.
    """
    if not base.descriptions:
        raise InputError(f"knowledge base {base.name!r} has no descriptions to search.")
    embedded = embed_images(encoder, [image])
    if not embedded.ok[0]:
        raise ImageError(f"cannot read the image: {embedded.errors[0]}")
    scores, rows = _index_of(encoder, base, cache).search(embedded.features, k)
    found = zip(scores[0].tolist(), rows[0].tolist(), strict=True)
    return [Match(score, base.descriptions[row]) for score, row in found if row >= 0]


def _index_of(encoder: Encoder, base: KnowledgeBase, cache: Path | None) -> VectorIndex:
    """The index of all descriptions, in the order of `base.descriptions`; from the cache where it is there."""
    marks: dict[str, Any] = {"checksum": base.checksum, "fingerprint": encoder.fingerprint}
    # The order of lines is part of the key, because rows are numbered by it and the checksum does not see it.
    folder = cache and cache / "indexes" / f"{base.checksum}-{encoder.fingerprint}-{_order(base)}"
    if folder:
        try:
            return VectorIndex.load(folder, **marks)
        except CheckpointError:
            pass  # not there yet, or damaged: built below
    sentences = [described(d.disease, d.text) for d in base.descriptions]
    index = VectorIndex.build(embed_texts(encoder, sentences), **marks)
    if folder:
        index.keep(folder)
    return index


def _order(base: KnowledgeBase) -> str:
    return sha256("\n".join(d.text for d in base.descriptions).encode()).hexdigest()[:8]
