"""How much memory decoding takes, and a budget of it that all threads of a process share."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from PIL import ExifTags, Image

from zsderm.images.formats import AVIF, HEIC

# Bytes that decoding may take in one process, all its threads together, and so the most for one image as well. It
# holds the largest 8-bit RGB image there may be: 178 956 970 pixels, each 4 bytes as Pillow decodes it, 4 as the
# upright RGB result and 4 for the copy that an encoder's preprocessing takes.
MEMORY = 2**31

_BLOCK = 2**26
_RESULT = 4  # bytes per pixel of an RGB image in Pillow
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}  # as Pillow keeps them; others: 4
_WEBP = 16  # libwebp keeps two canvases, Pillow two copies of one
_CONTAINERS = 16  # libheif and libavif: luma and colours of up to 16 bits, RGBA of them, and Pillow's copy of that


class Budget:
    """So many bytes; who asks for more than is left waits until others have given theirs back.

    Args:
        total: bytes.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.reset()

    def reset(self) -> None:
        """Forget who holds what: for a process that was forked from one whose threads were decoding."""
        self._left = self.total
        self._changed = threading.Condition()
        self._own = threading.local()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Hold so many bytes, at most ``total``. A thread that holds some already never waits for itself."""
        held = getattr(self._own, "held", 0)
        with self._changed:
            self._changed.wait_for(lambda: held or size <= self._left)
            self._left -= size
        self._own.held = held + size
        try:
            yield
        finally:
            self._own.held = held
            with self._changed:
                self._left += size
                self._changed.notify_all()


BUDGET = Budget(MEMORY)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BUDGET.reset)


@cache
def give_memory_back() -> None:
    """Let Pillow ask for large images in blocks of 64 MiB rather than of 1 MiB, for the whole process, once.

    The C library returns blocks above 32 MiB to the system as soon as they are free. Smaller ones it keeps for the
    thread that had them: eight threads would hold eight large images after one another, whatever the budget says.
    """
    if Image.core.get_block_size() < _BLOCK:
        Image.core.set_block_size(_BLOCK)


def needed(image: Image.Image, full_size: tuple[int, int], length: int) -> int:
    """The bytes that decoding takes at most: the image as decoded, the RGB result, and the decoder's own or a copy.

    Args:
        image: its header; nothing is decoded.
        full_size: its size in the file; ``image.size`` may be smaller, if it is decoded at reduced size.
        length: of the file in bytes; 0 where that is read from the disk piece by piece.
    """
    pixels = image.width * image.height
    own = _decoders_own(image, full_size[0] * full_size[1]) + (
        2 * length if image.format in ("WEBP", "TIFF", HEIC, AVIF) else 0
    )
    return pixels * (_STORED.get(image.mode, 4) + _RESULT) + max(own, pixels * _RESULT)


def _decoders_own(image: Image.Image, pixels: int) -> int:
    if image.format == "WEBP":
        return pixels * _WEBP
    if image.format in (HEIC, AVIF):
        return pixels * _CONTAINERS
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        return pixels * 2 * getattr(image, "layers", 4)  # all coefficients, until the last scan is there
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(ExifTags.Base.BitsPerSample, (8,))
        sides = [tags.get(tag, 1) for tag in (ExifTags.Base.TileWidth, ExifTags.Base.TileLength)]
        # A strip or tile may be as large as the image, and a tile larger; libtiff may make RGBA of it.
        return max(pixels, sides[0] * sides[1]) * max(4, -(-sum(bits) // 8))
    return 0
