"""What embeds the photographs that a classifier is given.

Letters: N images, D embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from zsderm import images as photographs
from zsderm.embeddings import EmbeddableImage, NamedEmbeddings, StoredEmbeddings, embed_images
from zsderm.given_rows import EmbeddedImages, given_embeddings, given_rows
from zsderm.proxies.chunks import KnownRows

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

Picture = EmbeddableImage | np.ndarray
Photographs = Picture | Sequence[Picture] | photographs.ImageList
Given = Photographs | StoredEmbeddings  # a path may be that of photographs, or of embeddings of them


@dataclass(frozen=True)
class ImageReader:
    """An encoder, and how photographs go through it.

    Attributes:
        encoder: embeds images.
        views: how many views of each image are averaged.
        batch_size: images encoded at a time.
        cache: folder that keeps embeddings between runs; None keeps nothing.
    """

    encoder: Encoder
    views: int
    batch_size: int
    cache: str | Path | None

    def named(self, images: Given) -> photographs.ImageList | StoredEmbeddings:
        """The photographs that are meant; or embeddings of them, where these were given.

        Raises:
            ImageError: a folder that is missing or holds no images.
            InputError: see `given_embeddings`.
        """
        stored = given_embeddings(images, self.encoder, self.views)
        return photographs.named(cast("Photographs", images)) if stored is None else stored

    def embedded(self, found: photographs.ImageList | StoredEmbeddings, progress: bool = False) -> EmbeddedImages:
        """What `named` gave, embedded; embeddings are given back as they are.

        Args:
            found: the images, or embeddings of them.
            progress: see `embed`.
        """
        return found if isinstance(found, StoredEmbeddings) else self.embed(found, progress)

    def embed(self, found: photographs.ImageList, progress: bool = False) -> NamedEmbeddings:
        """The embeddings of N images, and why some could not be read.

        Args:
            found: the images, with their names.
            progress: show a bar on stderr.
        """
        how: dict[str, Any] = {"views": self.views, "batch_size": self.batch_size, "cache": self.cache}
        return NamedEmbeddings.of(found, embed_images(self.encoder, found.sources, **how, progress=progress))

    def features(self, images: Given | np.ndarray | torch.Tensor, progress: bool = False) -> torch.Tensor | KnownRows:
        """(N, D) unit rows of the images that could be read.

        Args:
            images: photographs, or embeddings of them, see `given_rows`.
            progress: see `embed`.

        Raises:
            ImageError: a folder that is missing or holds no images.
            InputError, SettingsError: see `given_rows`.
        """
        rows = given_rows(images, self.encoder, self.views)
        if rows is not None:
            return rows
        return self.embed(photographs.named(cast("Photographs", images)), progress).features
