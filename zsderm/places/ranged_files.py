"""What is read from any place of it, as a file that a reader of tables or archives takes; objects first of all."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from zsderm.places.failures import OF_LIBRARIES, object_error

# Bytes fetched when fewer are asked for, such as the foot of a Parquet file; what is larger comes in one piece.
READ_AHEAD = 2**18


class SeekableFile(io.RawIOBase):
    """A file of a known size, of which each read says its own place.

    Args:
        size: in bytes.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self._place = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere, without reading."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        if start + place < 0:
            raise ValueError(f"there is nothing before the start of the file ({start + place})")
        self._place = start + place
        return self._place

    def tell(self) -> int:
        """Where it is."""
        return self._place

    def readinto(self, buffer: Any) -> int:
        """The next bytes; none at the end.

        Raises:
            OSError: they cannot be had.
        """
        wanted = min(len(buffer), max(0, self.size - self._place))
        if not wanted:
            return 0
        found = self._read_at(self._place, wanted)
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)

    @abstractmethod
    def _read_at(self, place: int, size: int) -> bytes:
        """Up to so many bytes from a place on; it is asked for one at least, and for none beyond the end."""


class RangedFile(SeekableFile):
    """A file of which each read is one request.

    Args:
        file: gives bytes by ``seek`` and ``read``; closed with this one.
        size: in bytes.
        errors: of the library behind it, besides those of the system.
    """

    def __init__(self, file: Any, size: int, *errors: type[Exception]) -> None:
        super().__init__(size)
        self._file, self._errors = file, (*OF_LIBRARIES, *errors)

    def whole(self) -> bytes:
        """All of it, in one request.

        Raises:
            OSError: the store did not give it.
        """
        with self._own_errors():
            self._file.seek(0)
            return bytes(self._file.read())

    def _read_at(self, place: int, size: int) -> bytes:
        with self._own_errors():
            self._file.seek(place)
            return cast("bytes", self._file.read(size))

    @contextmanager
    def _own_errors(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise object_error(error) from None

    def close(self) -> None:
        """Close it."""
        if not self.closed:
            self._file.close()
        super().close()


def buffered(file: RangedFile) -> BinaryIO:
    """It, with small reads gathered."""
    return cast("BinaryIO", io.BufferedReader(file, READ_AHEAD))
