"""Which photographs a calibration was learned from, so that nobody takes their figures for a test of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from zsderm.errors import ImageError
from zsderm.images import MAX_BYTES, FrameStream, open_file
from zsderm.places import is_address, mapped_ahead

LENGTH = 12  # hex digits: that any of ten thousand photographs is taken for one of ten thousand others: 1 in 3 million
_PART = 2**15  # bytes read at either end of a file, so that large files cost no more than small ones


def photograph_digests(images: Sequence[str | os.PathLike[str]]) -> list[str]:
    """(N,) digests of the files of N images, whatever they are called; empty for what is no file that can be read."""
    names = [os.fspath(image) for image in images]
    if any(map(is_address, names)):
        return [digest for _, digest in mapped_ahead(names, _digest)]
    return [*map(_digest, names)]


def _digest(name: str) -> str:
    try:
        with open_file(name, None if is_address(name) else MAX_BYTES) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            digest = hashlib.sha256(f"{size} ".encode() + file.read(_PART))
            file.seek(max(0, size - _PART))
            digest.update(file.read(_PART))
            if isinstance(file, FrameStream):  # one picture of a file of several
                digest.update(f"#{file.frame}".encode())
    except (ImageError, OSError, ValueError):  # ValueError: a name with a null byte
        return ""
    return digest.hexdigest()[:LENGTH]
