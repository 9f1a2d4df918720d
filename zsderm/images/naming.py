"""The photographs that are meant, each with a name, whatever they are given as."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from zsderm.errors import WrongTypeError
from zsderm.images.search import find
from zsderm.images.sources import PIXELS, Source, listed_sources


@dataclass(frozen=True, eq=False)
class ImageList:
    """The photographs that are meant.

    Attributes:
        names: N names.
        sources: N paths or PIL images.
        passed_over: how many files of each suffix, linked folders and heat maps of zsderm were left out in the folders
            that were searched.
    """

    names: tuple[str, ...]
    sources: Sequence[Source | Image.Image]
    passed_over: Mapping[str, int] = field(default_factory=dict)


def named(images: object, *, follow_links: bool = False) -> ImageList:
    """Every photograph that is meant, with a name: its path, or its place in the list.

    Args:
        images: a folder, a path, a PIL image, pixels as an array of (H, W, 3) uint8 (red, green, blue), or a list of
            them; or what this function has returned.
        follow_links: as `find`.

    Raises:
        ImageError, WrongTypeError: as `find`.
        WrongTypeError: an array of another shape or dtype.
    """
    if isinstance(images, ImageList):
        return images
    found: list[Source | Image.Image] = []
    passed_over: Counter[str] = Counter()
    for item in listed_sources(images, str, os.PathLike, Image.Image, np.ndarray):
        if isinstance(item, Image.Image):
            found.append(item)
        elif isinstance(item, np.ndarray):
            found.append(picture_of(item))
        else:
            found += find(item, follow_links=follow_links, passed_over=passed_over)
    if not found:
        find([])  # raises the one sentence for an empty list
    names = (f"image_{n}" if isinstance(item, Image.Image) else str(item) for n, item in enumerate(found))
    return ImageList(tuple(names), found, dict(passed_over.most_common()))


def picture_of(pixels: np.ndarray) -> Image.Image:
    """A picture of pixels.

    Args:
        pixels: (H, W, 3) uint8: red, green and blue from 0 to 255. They are copied.

    Raises:
        WrongTypeError: another shape or dtype.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or 0 in pixels.shape:
        hint = " If they are from 0 to 1, write (255 * pixels).astype('uint8')." if pixels.dtype.kind == "f" else ""
        if pixels.ndim == 4:
            hint += " Give several pictures as a list of arrays: list(pixels)."
        raise WrongTypeError(f"Expected pixels as {PIXELS}, but got {pixels.shape} {pixels.dtype}.{hint}")
    return Image.fromarray(np.ascontiguousarray(pixels))
