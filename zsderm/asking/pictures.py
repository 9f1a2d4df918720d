"""A photograph in the form in which it is sent to a model: its pixels only.

The image is decoded, reduced if it is large, and encoded anew from its pixels. EXIF data, location, time, comments and
the file name are not sent.
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
    """An upright photograph in sRGB, reduced to a longest side, without metadata.

    Args:
        source: see `zsderm.images.open_image`.
        longest_side: in pixels; a smaller photograph keeps its size.

    Raises:
        ImageError: it cannot be read; the message is one clause.
    """
    image = open_image(source)
    image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    return Image.frombytes("RGB", image.size, image.tobytes())


def digest(image: Image.Image | None) -> str:
    """A hash of the pixels in 16 hex digits, under which answers are stored; empty without an image."""
    if image is None:
        return ""
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()[:16]


def data_url(image: Image.Image) -> str:
    """The picture as a JPEG data URL, as the chat completions protocol takes it."""
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
