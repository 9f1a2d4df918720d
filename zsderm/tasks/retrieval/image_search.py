"""What every search for photographs can be asked, whatever it looks through."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from zsderm.embeddings import EmbeddableImage, embed_images, embed_texts
from zsderm.errors import ImageError, InputError
from zsderm.file_names import printable
from zsderm.places import is_address

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

Floats = npt.NDArray[np.float32]
_SAME = 1 - 1e-3  # cosine of a photograph and itself, at least; half precision costs this much


@dataclass(frozen=True)
class Hit:
    """One photograph that was found."""

    score: float  # cosine of query and image, -1 to 1
    path: str


class ImageSearch(ABC):
    """Photographs found by a text or by another photograph."""

    _encoder: Encoder

    def by_text(self, text: str, k: int = 10) -> list[Hit]:
        """The k photographs that are most like a text, best first; k is clipped to N."""
        return self._search(embed_texts(self._encoder, [text]), _checked(k))

    def by_image(self, image: EmbeddableImage, k: int = 10) -> list[Hit]:
        """The k photographs that are most like a photograph, best first; the very same file is left out.

        Raises:
            ImageError: the photograph cannot be read.
        """
        k = _checked(k)
        embedded = embed_images(self._encoder, [image], views=self._views)
        if not embedded.ok[0]:
            raise ImageError(f"cannot read the image '{printable(str(image))}': {embedded.errors[0]}")
        hits = self._search(embedded.features, k + 1)
        if isinstance(image, str | os.PathLike):
            own = image if isinstance(image, str) and is_address(image) else os.path.realpath(image)
            hits = [hit for hit in hits if not self._is(hit, own)]
        return hits[:k]

    @property
    def _views(self) -> int:
        """How many views of each photograph were averaged."""
        return 1

    def _is(self, hit: Hit, own: str) -> bool:
        """Whether a hit is the file at a real path."""
        return hit.path == own or (not is_address(hit.path) and os.path.realpath(hit.path) == own)

    @abstractmethod
    def _search(self, query: Floats, k: int) -> list[Hit]:
        """The k photographs that are most like a (1, D) query, best first."""


def same_name(hit: Hit, own: str) -> bool:
    """Whether a photograph was found that has the same content and the end of the same path.

    A list of photographs may name them from a folder in which nobody is now.

    >>> same_name(Hit(1.0, "photos/1.jpg"), "/data/photos/1.jpg"), same_name(Hit(0.9, "1.jpg"), "/data/photos/1.jpg")
    (True, False)
    """
    parts, name = PurePath(own).parts, PurePath(hit.path).parts
    return hit.score > _SAME and bool(name) and parts[-len(name) :] == name


def _checked(k: int) -> int:
    if k < 1:
        raise InputError(f"expected `k` to be at least 1, but got {k}.")
    return k
