"""Colour profiles: what a photograph's numbers mean, so that Display P3 or Adobe RGB become the sRGB encoders know."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

# Levels of 255 in which colours may differ for a profile to count as sRGB: there are many of those, rounded each in
# its own way, and photographs with one of them are left as they are.
_SAME = 2
_LARGEST = 2**24  # bytes; profiles of printers take one or two million
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "LAB": "LAB"}  # as profiles name them, and as Pillow does


@lru_cache(maxsize=16)
def to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What brings colours from an embedded profile to sRGB, by perceptual intent.

    Args:
        profile: ICC bytes as embedded.
        mode: of the pixels: RGB, L (grey), CMYK or LAB.

    Returns:
        A transform from ``mode`` to RGB. None if nothing is to be done: the profile is sRGB, or is ignored because it
        is damaged or for colours of another kind, such as an RGB profile in a grey image.
    """
    try:
        if len(profile) > _LARGEST:
            return None
        own = ImageCms.ImageCmsProfile(BytesIO(profile))
        if _SPACES.get(own.profile.xcolor_space.strip().upper()) != mode:
            return None
        transform = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), mode, "RGB")
        return None if mode in ("RGB", "L") and _changes_nothing(transform, mode) else transform
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError, ImportError):
        return None


@lru_cache(maxsize=1)
def from_lab() -> ImageCms.ImageCmsTransform:
    """The transform from CIE L*a*b*, which a TIFF file may hold, to sRGB."""
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def converted(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    """A new RGB image whose colours a transform has brought to sRGB."""
    done = ImageCms.applyTransform(image, transform)
    assert done is not None  # only in place there is no result
    done.info.pop("icc_profile", None)
    return done


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a grid of all colours comes out as it went in."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    if mode == "L":
        colours = np.arange(256, dtype=np.uint8).reshape(1, -1, 1).repeat(3, axis=2)
    grid = Image.fromarray(colours)
    done = converted(grid if mode == "RGB" else grid.convert(mode), transform)
    return int(np.abs(np.asarray(done, int) - colours).max()) <= _SAME
