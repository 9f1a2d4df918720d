"""Progressive JPEG files of so many scans that decoding would not end."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from zsderm.errors import ImageError
from zsderm.images.formats import JPEG_FORMATS

# Scans of a progressive JPEG file. Cameras write about ten; each goes through the whole picture, so that a small file
# of many would take minutes.
MAX_SCANS = 100


def check_scans(image: Image.Image, stream: BinaryIO) -> None:
    """Refuse a file of too many scans; its position stays what it was.

    Args:
        image: opened from it; of any format.
        stream: the file.

    Raises:
        ImageError: it has more than `MAX_SCANS`.
    """
    if image.format not in JPEG_FORMATS or not image.info.get("progressive"):
        return
    place, scans, last = stream.tell(), 0, b""
    stream.seek(0)
    while scans <= MAX_SCANS and (block := stream.read(2**20)):
        scans += (last + block).count(b"\xff\xda")  # in compressed pixels 0xFF is never followed by this
        last = block[-1:]
    stream.seek(place)
    if scans > MAX_SCANS:
        raise ImageError(f"a progressive JPEG file of more than {MAX_SCANS} scans, which would take too long to decode")
