"""Embeddings in the place of photographs, as a user gives them to be learned from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from zsderm.embeddings import DatasetRows, NamedEmbeddings, StoredEmbeddings, is_embeddings, read_embeddings
from zsderm.errors import SettingsError
from zsderm.proxies.chunks import KnownRows

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

EmbeddedImages = NamedEmbeddings | StoredEmbeddings


def given_embeddings(images: object, encoder: Encoder, views: int) -> StoredEmbeddings | None:
    """The embeddings that were given with the names of their images; None where it is anything else.

    Args:
        images: what was read of a file or data set of embeddings, the path of one, or anything else.
        encoder: that made them.
        views: of each image that were averaged.

    Raises:
        InputError: embeddings that cannot be read, or that another encoder or number of views made.
    """
    if isinstance(images, str | Path) and is_embeddings(images):
        return read_embeddings(images, encoder, views)
    if not isinstance(images, StoredEmbeddings):
        return None
    images.check(encoder, views)
    return images


def given_rows(images: object, encoder: Encoder, views: int) -> KnownRows | None:
    """The embeddings that were given; None where it is photographs that were given.

    Args:
        images: (N, D) unit rows, a file or data set of embeddings or what was read of it, or anything else; pixels
            (H, W, 3) uint8 are a photograph.
        encoder: that made them.
        views: of each image that were averaged.

    Raises:
        InputError: embeddings that cannot be read, or that another encoder or number of views made.
        SettingsError: embeddings of another width, or that hold infinity.
    """
    if (stored := given_embeddings(images, encoder, views)) is not None:
        images = stored.features
    # An array of pixels, or of paths or pictures.
    photographs = isinstance(images, np.ndarray) and (images.ndim > 2 or images.dtype.kind in "OU")
    if photographs or not isinstance(images, np.ndarray | torch.Tensor | DatasetRows):
        return None
    if images.ndim != 2 or images.shape[1] != encoder.card.width:
        raise SettingsError(
            f"Expected embeddings of shape (N, {encoder.card.width}), as {encoder.card.name} makes them, "
            f"but got {tuple(images.shape)}."
        )
    return KnownRows(images)


def readable_rows(images: EmbeddedImages) -> torch.Tensor | KnownRows:
    """(n, D) unit rows of the images that could be read: in memory, or where they are stored."""
    return images.features if isinstance(images, NamedEmbeddings) else KnownRows(images.features)
