"""Photographs are decoded and scaled down by other processes, whose crash does not stop the server."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from PIL import Image

from zsderm.errors import ImageError
from zsderm.images import MAX_PIXELS

PREVIEW_SIDE = 512  # pixels of the longer side of what is kept to be shown
LARGE_SIDE = 1600  # and of a photograph by itself


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded photograph.

    Attributes:
        pixels: upright RGB image for the encoder; None if not requested.
        preview: a JPEG without metadata; empty if not requested.
        size: width and height of the upright photograph; ``pixels`` may be smaller.
    """

    pixels: Image.Image | None
    preview: bytes
    size: tuple[int, int]


class Pictures:
    """A pool of decoder processes; each decodes one photograph at a time.

    Args:
        count: number of processes.
        memory: limit of the address space of each process, in bytes.
        seconds: time limit for one photograph.
        max_pixels: limit on the pixels of one photograph.
        died: is called when a process crashed or was killed at the time limit.
    """

    def __init__(
        self,
        count: int = 2,
        memory: int = 4 * 2**30,
        seconds: float = 60,
        max_pixels: int = MAX_PIXELS,
        died: Callable[[], None] = lambda: None,
    ) -> None:
        self._memory, self._seconds, self._max_pixels, self._died = memory, seconds, max_pixels, died
        self._idle: queue.Queue[_Decoder | None] = queue.Queue()
        self._closed = False
        for _ in range(count):
            self._idle.put(None)  # it is started when it is needed

    def read(self, file: Path, *, at_least: int | None = None, pixels: bool = True, side: int = 0) -> Picture:
        """Decode one photograph; waits for an idle process.

        Args:
            file: a path that the service chose.
            at_least: smallest length of the shorter side in pixels; see `zsderm.images.open_image`.
            pixels: whether to return the pixels.
            side: length of the longer side of the preview in pixels; 0 for no preview.

        Raises:
            ImageError: the file cannot be read, or its decoder process crashed or took too long.
        """
        how = {"at_least": at_least, "side": side, "wants_pixels": pixels, "counts": False}
        header, body = self._asked({"file": str(file), "max_pixels": self._max_pixels, **how})
        width, height = header["shown"]
        rgb = (
            Image.frombuffer("RGB", tuple(header["decoded"]), body[: header["pixels"]], "raw", "RGB", 0, 1)
            if pixels
            else None
        )
        return Picture(None if rgb is None else rgb.copy(), body[header["pixels"] :], (width, height))

    def count(self, file: Path) -> int:
        """The number of pictures in a file that get a row each; see `zsderm.images.picture_count`.

        Raises:
            ImageError: see `read`.
        """
        header, _ = self._asked({"file": str(file), "counts": True})
        return int(header["count"])

    def _asked(self, asked: dict[str, object]) -> tuple[dict[str, Any], bytes]:
        """The answer of a process that is free.

        Raises:
            ImageError: see `read`.
        """
        decoder = self._idle.get()
        try:
            if decoder is None or not decoder.alive:
                if self._closed:
                    raise ImageError("the service is stopping")
                decoder = _Decoder(self._memory)
            header, body = decoder.ask(asked, self._seconds)
        except _Died as error:
            self._died()
            decoder = None
            raise ImageError(str(error)) from error
        finally:
            self._idle.put(decoder)
        if header["error"]:
            raise ImageError(header["error"])
        return header, body

    def close(self) -> None:
        """Stop the idle processes; a busy process stops when its photograph is done."""
        self._closed = True
        with suppress(queue.Empty):
            while True:
                if (decoder := self._idle.get_nowait()) is not None:
                    decoder.end()


class _Died(Exception):
    """The process is gone, with what may be said of the photograph."""


class _Decoder:
    """One process."""

    def __init__(self, memory: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "zsderm.service.decoder", str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a decoder's complaint may have the name or the text of a file in it
        )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def ask(self, asked: dict[str, object], seconds: float) -> tuple[dict[str, Any], bytes]:
        """The header and the bytes of one answer.

        Raises:
            _Died: it ended before it had answered, or was ended because it took too long.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        clock = threading.Timer(seconds, end)
        clock.daemon = True
        clock.start()
        try:
            stdin.write(json.dumps(asked).encode() + b"\n")
            stdin.flush()
            header = json.loads(_exactly(stdout, int.from_bytes(_exactly(stdout, 4), "little")))
            return header, _exactly(stdout, header["pixels"] + header["preview"])
        except (OSError, ValueError, EOFError) as error:
            self.end()
            if late.is_set():
                raise _Died(f"decoding the image takes more than {seconds:g} s") from error
            raise _Died("the image is damaged: the process that decoded it crashed") from error
        finally:
            clock.cancel()

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def _exactly(stream: IO[bytes], count: int) -> bytes:
    """So many bytes.

    Raises:
        EOFError: the stream ends before.
    """
    found = stream.read(count)
    if len(found) < count:
        raise EOFError
    return found
