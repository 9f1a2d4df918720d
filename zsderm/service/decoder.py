"""A process that decodes photographs, so that a file that kills a decoder kills this process and nothing else.

It reads one request a line from stdin, as JSON, and answers on stdout: four bytes of length, a header as JSON, then the
pixels and the preview. It keeps nothing between requests, writes no file, and ends when stdin does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO

from PIL import Image

from zsderm.errors import ImageError
from zsderm.images import open_file, open_image, picture_count

QUALITY = 85  # of a preview, JPEG


def main(memory: int) -> None:
    """Answer until stdin ends.

    Args:
        memory: bytes of address space that this process may take.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes stdin
    with suppress(ImportError, ValueError, OSError):
        import resource  # not there on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints does not go between the answers
    for line in sys.stdin.buffer:
        _answer(answers, json.loads(line))


def _answer(answers: BinaryIO, asked: dict[str, Any]) -> None:
    header: dict[str, Any] = {"error": "", "decoded": (0, 0), "shown": (0, 0), "pixels": 0, "preview": 0, "count": 1}
    pixels = preview = b""
    try:
        if asked["counts"]:
            with open_file(asked["file"]) as stream:
                header["count"] = picture_count(stream)
        else:
            picture = open_image(asked["file"], max_pixels=asked["max_pixels"], at_least=asked["at_least"])
            header["decoded"], header["shown"] = picture.size, _full_size(asked["file"], picture)
            if asked["side"]:
                preview = _small(picture, asked["side"])
            if asked["wants_pixels"]:
                pixels = picture.tobytes()
    except ImageError as error:
        header["error"] = str(error)
    except MemoryError:
        header["error"] = "decoding the image takes more memory than the service allows"
        pixels = preview = b""
    header["pixels"], header["preview"] = len(pixels), len(preview)
    told = json.dumps(header).encode()
    answers.write(len(told).to_bytes(4, "little"))
    for part in (told, pixels, preview):
        answers.write(part)
    answers.flush()


def _full_size(file: str, picture: Image.Image) -> tuple[int, int]:
    """Width and height as the photograph is shown; a JPEG file may have been decoded at a half or less of them."""
    with suppress(OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        with Image.open(file) as header:
            width, height = header.size
        turned = (width > height) != (picture.width > picture.height)
        return (height, width) if turned and picture.width != picture.height else (width, height)
    return picture.size


def _small(picture: Image.Image, side: int) -> bytes:
    """A JPEG of pixels alone: no EXIF, no place, no thumbnail, no profile; `open_image` has used up all of them."""
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.BILINEAR)
    file = BytesIO()
    small.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


if __name__ == "__main__":
    main(int(sys.argv[1]))
