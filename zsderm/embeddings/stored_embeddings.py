"""Embeddings as they were stored: named rows, wherever they lie, taken a stretch at a time.

Letters: N images, D embedding width, n rows of a stretch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zsderm.embeddings.dataset_rows import DatasetRows
from zsderm.embeddings.named_embeddings import NamedEmbeddings
from zsderm.errors import InputError

if TYPE_CHECKING:
    from zsderm.encoders.base import Encoder


@dataclass(frozen=True, eq=False)
class StoredEmbeddings:
    """Embeddings as they were stored.

    Attributes:
        images: N paths.
        features: (N, D) float32; NaN where the image could not be read. Those of a data set stay on disk, and are read
            where they are asked for, by slices and arrays of indices; so are its images and errors.
        errors: N reasons, empty where all went well.
        encoder: model, fingerprint, width, licence and more of the encoder that made them, and the number of views.
    """

    images: Sequence[str]
    features: np.ndarray | DatasetRows
    errors: Sequence[str]
    encoder: Mapping[str, Any]

    def __len__(self) -> int:
        """N."""
        return len(self.images)

    @property
    def names(self) -> Sequence[str]:
        """N paths, as those of photographs that are to be embedded."""
        return self.images

    @property
    def views(self) -> int:
        """How many views of each image were averaged; files of before there were views say nothing, and mean 1."""
        return int(self.encoder.get("views", 1))

    @property
    def passed_over(self) -> Mapping[str, int]:
        """What was left out in the folders when they were made, where that was stored."""
        return dict(self.encoder.get("passed_over", {}))

    def part(self, start: int, stop: int) -> NamedEmbeddings:
        """The images from `start` up to `stop`, in memory, as if they had just been embedded."""
        names, errors = tuple(self.images[start:stop]), self.errors[start:stop]
        rows = torch.from_numpy(np.array(self.features[start:stop], np.float32))  # (n, D)
        ok = np.array([not error for error in errors], bool)
        reasons = {name: error for name, error in zip(names, errors, strict=True) if error}
        return NamedEmbeddings(names, rows[torch.from_numpy(ok)], ok, reasons, self.passed_over)

    def check(self, encoder: Encoder | None, views: int | None, path: str | os.PathLike[str] = "") -> None:
        """Refuse what another encoder made, or of another number of views.

        Args:
            encoder: the encoder that is to be used with the rows; ``None`` to ask for none in particular.
            views: how many views each row has to be the mean of; ``None`` to ask for no number in particular.
            path: where they come from, for the message.

        Raises:
            InputError: they are.
        """
        there = f" in '{os.fspath(path)}'" if path else ""
        if encoder is not None and self.encoder["fingerprint"] != encoder.fingerprint:
            raise InputError(
                f"expected embeddings of '{encoder.card.name}' ({encoder.fingerprint}){there}, but they are of "
                f"'{self.encoder['model']}' ({self.encoder['fingerprint']}). Make them again with: zsderm embed"
            )
        if views is not None and self.views != views:
            raise InputError(
                f"expected embeddings of {views} views{there}, but they are of {self.views}. Make them again with: "
                f"zsderm embed --views {views}, or use --views {self.views}"
            )
