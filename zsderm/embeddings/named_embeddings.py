"""The embeddings of images by name, in memory, and the rows of those that could be read.

Letters: N images, D embedding width, n of them readable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import compress

import numpy as np
import torch

from zsderm.embeddings.image_features import ImageEmbeddings
from zsderm.images import ImageList


@dataclass(frozen=True, eq=False)
class NamedEmbeddings:
    """The embeddings of N images by name, without rows for those that could not be read.

    Attributes:
        names: N names.
        features: (n, D) float32 unit rows of the images that could be read, in their order.
        ok: (N,) bool, which images those are.
        errors: for each of the others the reason, by its name.
        passed_over: what was left out in the folders that were searched; see `zsderm.images.ImageList`.
    """

    names: tuple[str, ...]
    features: torch.Tensor
    ok: np.ndarray
    errors: Mapping[str, str]
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, images: ImageList, found: ImageEmbeddings) -> NamedEmbeddings:
        """What `embed_images` found for N images."""
        reasons = {images.names[index]: reason for index, reason in found.errors.items()}
        rows = torch.from_numpy(found.features[found.ok])
        return cls(images.names, rows, found.ok, reasons, images.passed_over)

    def __len__(self) -> int:
        """N, images that could not be read included."""
        return len(self.names)

    def part(self, start: int, stop: int) -> NamedEmbeddings:
        """The images from `start` up to `stop`, on the same rows."""
        before, inside = (int(self.ok[which].sum()) for which in (slice(start), slice(start, stop)))
        names, ok = self.names[start:stop], self.ok[start:stop]
        reasons = {name: self.errors[name] for name in compress(names, ~ok)}
        return replace(self, names=names, features=self.features[before : before + inside], ok=ok, errors=reasons)
