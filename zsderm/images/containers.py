"""HEIC, which telephones write, and AVIF: one picture in a container of boxes, decoded by libheif and libavif."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image, features

from zsderm.errors import ImageError
from zsderm.images.files import PatientStream
from zsderm.images.formats import AVIF, HEIC, missing


def opened(kind: str, stream: BinaryIO) -> Image.Image:
    """The image of a file of which only the header was read; of several the one that the file calls its first.

    A HEIC picture comes out turned as its container says, and the orientation in its EXIF, which repeats that, is
    emptied by pillow-heif; of an AVIF picture Pillow turns what the container says into an EXIF orientation.

    Args:
        kind: `HEIC` or `AVIF`.
        stream: seekable.

    Raises:
        ImageError: what reads it is not installed.
        OSError, SyntaxError, ValueError: damaged.
    """
    stream.seek(0)
    if kind == AVIF:
        if "avif" not in features.modules or not features.check("avif"):  # an older Pillow, or one built without
            raise ImageError(missing(AVIF))
        return Image.open(PatientStream(stream), formats=("AVIF",))
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise ImageError(missing(HEIC)) from error
    try:
        image: Image.Image = HeifImageFile(stream)
    except SyntaxError as error:  # UnidentifiedImageError would say that it is no image
        raise OSError(str(error)) from error
    return image
