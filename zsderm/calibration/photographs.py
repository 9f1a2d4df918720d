"""Which photographs a calibration was learned from, so that nobody takes their figures for a test of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from zsderm.errors import ImageError
from zsderm.images import FrameStream, open_file

LENGTH = 12  # hex digits: that any of ten thousand photographs is taken for one of ten thousand others: 1 in 3 million
_PART = 2**15  # bytes read at either end of a file, so that large files cost no more than small ones


def photograph_digests(images: Sequence[str | os.PathLike[str]]) -> list[str]:
    """(N,) digests of the files of N images, whatever they are called; empty for what is no file that can be read."""
    return [_digest(Path(image)) for image in images]


def _digest(path: Path) -> str:
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256(f"{size} ".encode() + file.read(_PART))
            file.seek(max(0, size - _PART))
            digest.update(file.read(_PART))
            if isinstance(file, FrameStream):  # one picture of a file of several
                digest.update(f"#{file.frame}".encode())
    except (ImageError, OSError, ValueError):  # ValueError: a name with a null byte
        return ""
    return digest.hexdigest()[:LENGTH]
