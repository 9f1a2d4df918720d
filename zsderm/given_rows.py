"""Embeddings in the place of photographs, as a user gives them to be learned from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from zsderm.embeddings import DatasetRows, is_embeddings, read_embeddings
from zsderm.errors import SettingsError
from zsderm.proxies.chunks import KnownRows

if TYPE_CHECKING:
    from zsderm.encoders import Encoder


def given_rows(images: object, encoder: Encoder, views: int) -> KnownRows | None:
    """The embeddings that were given; None where it is photographs that were given.

    Args:
        images: (N, D) unit rows, a file or data set of embeddings, or anything else; pixels (H, W, 3) uint8 are a
            photograph.
        encoder: that made them.
        views: of each image that were averaged.

    Raises:
        InputError: embeddings that cannot be read, or that another encoder or number of views made.
        SettingsError: embeddings of another width, or that hold infinity.
    """
    if isinstance(images, str | Path) and is_embeddings(images):
        images = read_embeddings(images, encoder, views).features
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
