"""One picture of an open file: a DICOM file may hold several pictures, and ``name.dcm#2`` is the second."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from typing import BinaryIO, cast

from zsderm.errors import ImageError
from zsderm.images.formats import HEAD, is_dicom

_KEPT = 64  # files whose digests are remembered, so that one of a hundred pictures is not gone through a hundred times
_digests: dict[tuple[int, ...], str] = {}


class FrameStream(io.BufferedReader):
    """An open file, with the number of one of its pictures.

    Attributes:
        frame: number of the picture, from 1.
    """

    def __init__(self, raw: io.FileIO, frame: int) -> None:
        super().__init__(raw)
        self.frame = frame

    @classmethod
    def open(cls, path: str, frame: int, opener: Callable[[str, int], int]) -> FrameStream:
        """Open a DICOM file at one of its pictures.

        Raises:
            ImageError: the file is not a DICOM file, so a picture number has no meaning.
            OSError: it cannot be opened.
        """
        return cls.of(cast("BinaryIO", io.FileIO(path, "rb", opener=opener)), frame)

    @classmethod
    def of(cls, stream: BinaryIO, frame: int) -> FrameStream:
        """As `open`, of a file that is open already; it is closed with what comes back.

        Raises:
            ImageError: as `open`.
        """
        found = cls(cast("io.FileIO", stream), frame)
        if not is_dicom(found.read(HEAD)):
            found.close()
            raise ImageError("no such file")
        found.seek(0)
        return found

    def digest(self, of_file: Callable[[io.BufferedReader], str]) -> str:
        """A SHA-256 in hex that is different for each picture of a file.

        Args:
            of_file: computes the SHA-256 of the whole file; it is called once for each file.
        """
        try:
            status = os.fstat(self.fileno())
        except io.UnsupportedOperation:  # it is in memory
            return hashlib.sha256(f"{of_file(self)}#{self.frame}".encode()).hexdigest()
        state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if (whole := _digests.get(state)) is None:
            if len(_digests) >= _KEPT:
                _digests.clear()
            whole = _digests[state] = of_file(self)
        return hashlib.sha256(f"{whole}#{self.frame}".encode()).hexdigest()


def frame_of(stream: object) -> int:
    """The number of the selected picture in an open file, from 1."""
    return stream.frame if isinstance(stream, FrameStream) else 1


def picture_count(stream: BinaryIO) -> int:
    """The number of rows that an open file gets: one for each frame of a DICOM file, one for other files.

    A file that cannot be read counts as 1, because it becomes one row with a reason.
    """
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if not is_dicom(stream.read(HEAD)):
        return 1
    from zsderm.images import dicom  # not above: most folders hold none

    try:
        return dicom.read_header(stream, length).frames
    except ImageError:
        return 1
