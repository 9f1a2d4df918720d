"""Photographs with captions: which caption belongs to which image, and recall of one by the other."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from zsderm.embeddings import embed_images, embed_texts
from zsderm.errors import InputError
from zsderm.image_table import ImageTable
from zsderm.tasks.retrieval.recall import CUTOFFS, RecallReport, recall_both_ways
from zsderm.wording import none_of

if TYPE_CHECKING:
    from zsderm.encoders import Encoder


@dataclass(frozen=True, eq=False)
class CaptionedImages:
    """N images and T distinct captions.

    Attributes:
        images: N paths.
        captions: T texts, each once; white space and case do not tell captions apart.
        pairs: (rows, 2) int64, image and caption that belong together.
        without_caption: images that the table does not mention, or mentions with an empty caption; left out.
    """

    images: tuple[Path, ...]
    captions: tuple[str, ...]
    pairs: npt.NDArray[np.int64]
    without_caption: int = 0

    @classmethod
    def match(cls, images: Sequence[Path], table: ImageTable, column: str = "caption") -> CaptionedImages:
        """Find the captions of images in a table; an image may have several rows.

        Raises:
            InputError: there is no such column, or no image has a caption.
        """
        cells = table.column(column)
        kept: list[Path] = []
        texts: dict[str, tuple[int, str]] = {}  # folded caption -> its number and its first spelling
        pairs: list[tuple[int, int]] = []
        for image, rows in zip(images, table.rows_of([str(image) for image in images]), strict=True):
            own = [" ".join(cells[row].split()) for row in rows if cells[row]]
            if own:
                numbers = [texts.setdefault(text.casefold(), (len(texts), text))[0] for text in own]
                pairs += [(len(kept), number) for number in numbers]
                kept.append(image)
        if not kept:
            raise InputError(f"expected captions in column {column!r} of {table.path}, but all its cells are empty")
        captions = tuple(text for _, text in texts.values())
        return cls(tuple(kept), captions, np.array(pairs, np.int64), len(images) - len(kept))

    def recall(
        self,
        encoder: Encoder,
        cutoffs: Sequence[int] = CUTOFFS,
        *,
        batch_size: int = 64,
        cache: str | os.PathLike[str] | None = None,
        progress: bool = False,
    ) -> tuple[RecallReport, Mapping[str, str]]:
        """Recall both ways, over the images that can be read.

        Returns:
            The figures, and a reason for each image that was left out, by path.

        Raises:
            InputError: no image can be read.
        """
        embedded = embed_images(encoder, self.images, batch_size=batch_size, cache=cache, progress=progress)
        errors = {str(self.images[row]): reason for row, reason in embedded.errors.items()}
        if not embedded.ok.any():
            raise InputError(f"{none_of(len(self.images), 'image')} be read: {next(iter(errors.values()))}")
        pairs = self.pairs[embedded.ok[self.pairs[:, 0]]]
        # Numbered anew without gaps: the images that were read, and the captions that still have one.
        rows, image_of = np.unique(pairs[:, 0], return_inverse=True)
        used, caption_of = np.unique(pairs[:, 1], return_inverse=True)
        texts = embed_texts(encoder, [self.captions[number] for number in used])
        numbered = np.stack([image_of, caption_of], axis=1).astype(np.int64)
        return recall_both_ways(embedded.features[rows], texts, numbered, cutoffs), errors
