"""Folders of photographs to time with: the examples as they are, and the same as a telephone would have taken them."""

from __future__ import annotations

import os
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image

from zsderm.images import find, open_image

QUALITY = 90  # of JPEG, as telephones write it


def small(folder: Path, source: Path, count: int) -> list[Path]:
    """Distinct small photographs: those of a folder, then the same with other sides up.

    Args:
        folder: to write into.
        source: a folder of photographs.
        count: how many.
    """
    paths = []
    for number, path in enumerate(islice(cycle(find(source)), count)):
        turns = number // len(find(source))
        paths.append(folder / f"{number}.jpg")
        open_image(path).rotate(90 * turns, expand=True).save(paths[-1], quality=QUALITY)
    return paths


def large(
    folder: Path, source: Path, count: int, megapixels: float = 12.0, grain: float = 0.0, seed: int = 0
) -> list[Path]:
    """Photographs of several megapixels, 4:3, scaled up from small ones.

    Args:
        folder: to write into.
        source: a folder of photographs.
        count: how many.
        megapixels: width times height, in millions.
        grain: standard deviation of sensor noise to add, in grey levels; without it they are smoother than a camera's.
        seed: of the noise.
    """
    random = np.random.default_rng(seed)
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    size = (round(height * 4 / 3), height)
    paths = []
    for number, path in enumerate(islice(cycle(find(source)), count)):
        image = _four_by_three(open_image(path)).resize(size, Image.Resampling.BICUBIC)
        if grain:
            pixels = np.asarray(image, np.float32) + random.normal(0, grain, (size[1], size[0], 1)).astype(np.float32)
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        paths.append(folder / f"{number}.jpg")
        image.save(paths[-1], quality=QUALITY)
    return paths


def links(folder: Path, source: Path, count: int, per_folder: int = 1000) -> None:
    """A folder of many photographs that takes no disk space: links to a few.

    Args:
        folder: to write into; gets folders of its own, numbered.
        source: a folder of photographs.
        count: how many links.
        per_folder: links in each of the folders.
    """
    for number, path in enumerate(islice(cycle(find(source)), count)):
        below = folder / str(number // per_folder)
        below.mkdir(exist_ok=True)
        os.symlink(path.resolve(), below / f"{number}{path.suffix}")


def _four_by_three(image: Image.Image) -> Image.Image:
    """The middle of an image, as large as 4:3 allows."""
    unit = min(image.width / 4, image.height / 3)
    left, top = (image.width - 4 * unit) / 2, (image.height - 3 * unit) / 2
    return image.crop((round(left), round(top), round(left + 4 * unit), round(top + 3 * unit)))
