"""Decoding in processes of their own: pixels as the library decodes them, and what happens when such a process dies."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from PIL import Image

from tests.service.conftest import photo_bytes
from zsderm.errors import ImageError
from zsderm.images import open_image
from zsderm.service.pictures import Pictures


@pytest.fixture(scope="module")
def pictures() -> Iterator[Pictures]:
    made = Pictures(1)
    yield made
    made.close()


def _file(folder: Path, content: bytes) -> Path:
    file = folder / "upload"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF"])
@pytest.mark.parametrize("at_least", [None, 60])
def test_pixels_are_those_of_the_library(pictures: Pictures, tmp_path: Path, kind: str, at_least: int | None) -> None:
    file = _file(tmp_path, photo_bytes(2, kind, side=300))
    read = pictures.read(file, at_least=at_least, side=64)
    assert np.array_equal(np.asarray(read.pixels), np.asarray(open_image(file, at_least=at_least)))
    assert read.size == (300, 300) and read.preview.startswith(b"\xff\xd8\xff")


def test_a_turned_photograph_has_the_size_that_is_shown(pictures: Pictures, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / "turned"
    Image.new("RGB", (400, 200), "red").save(file, "JPEG", exif=exif)
    assert pictures.read(file, at_least=50).size == (200, 400)


def test_a_process_that_dies_is_an_error_of_its_photograph(tmp_path: Path) -> None:
    died: list[int] = []
    with closing(Pictures(1, died=lambda: died.append(1))) as pictures:
        file = _file(tmp_path, photo_bytes(0))
        reasons: list[str] = []

        def read() -> None:
            try:
                pictures.read(file)
            except ImageError as error:
                reasons.append(str(error))

        pictures.read(file)  # the process is there now
        decoder = pictures._idle.queue[0]
        os.kill(decoder.pid, signal.SIGSTOP)  # so that it cannot answer before it is shot
        reader = threading.Thread(target=read)
        reader.start()
        while not _waiting_bytes(decoder._process.stdin):  # a process that is dead before it is asked is replaced
            time.sleep(0.001)
        os.kill(decoder.pid, signal.SIGSEGV)
        os.kill(decoder.pid, signal.SIGCONT)
        reader.join()
        assert reasons == ["the image is damaged: the process that decoded it crashed"] and died == [1]
        assert pictures.read(file).size == (48, 48)


def _waiting_bytes(pipe: IO[bytes]) -> int:
    """The bytes that were written into a pipe and not yet read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.slow
def test_a_photograph_may_not_take_all_memory_or_time(tmp_path: Path) -> None:
    file = _file(tmp_path, photo_bytes(0, "PNG", side=9000))
    with closing(Pictures(1, memory=2**29)) as small, pytest.raises(ImageError, match=r"memory|damaged"):
        small.read(file)
    with closing(Pictures(1, seconds=0.02)) as quick, pytest.raises(ImageError, match=r"takes more than 0.02 s"):
        quick.read(file)


def test_pixels_beyond_the_limit_are_not_decoded(tmp_path: Path) -> None:
    message = r"more than the limit of 0.0 megapixels"
    with closing(Pictures(1, max_pixels=100)) as pictures, pytest.raises(ImageError, match=message):
        pictures.read(_file(tmp_path, photo_bytes(0)))


def test_nothing_is_left_when_it_is_closed(tmp_path: Path) -> None:
    pictures = Pictures(1)
    pictures.read(_file(tmp_path, photo_bytes(0)))
    pid = pictures._idle.queue[0].pid
    pictures.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
