"""A photograph as it goes to a model: its pixels alone.

No EXIF, no place, no time, no comment, no name of a file: the image is decoded, made smaller where it is large, and
what leaves is made anew from its pixels.
"""

from __future__ import annotations

import base64
import hashlib
from io import BytesIO

from PIL import Image

from zsderm.images import ImageSource, open_image

LONGEST_SIDE = 1024  # pixels; image towers of such models take 224 to about 1000
QUALITY = 95  # of JPEG


def picture(source: ImageSource, longest_side: int = LONGEST_SIDE) -> Image.Image:
    """A photograph upright in sRGB, no side longer than told, and nothing known of it but its pixels.

    Args:
        source: see `zsderm.images.open_image`.
        longest_side: in pixels; a smaller photograph stays as it is.

    Raises:
        ImageError: it cannot be read; the message is one clause.
    """
    image = open_image(source)
    image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    return Image.frombytes("RGB", image.size, image.tobytes())


def digest(image: Image.Image | None) -> str:
    """16 hex digits over the pixels, by which answers are kept; empty for none."""
    if image is None:
        return ""
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()[:16]


def data_url(image: Image.Image) -> str:
    """The picture as JPEG in a URL, as chat completions take it."""
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
