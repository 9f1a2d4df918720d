"""Open image files, and nothing that only looks like one: no pipe, no device, no file without an end."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Any, BinaryIO

from zsderm.errors import ImageError
from zsderm.file_names import file_and_frame
from zsderm.images.frames import FrameStream
from zsderm.images.remote_files import open_elsewhere, open_in_shard
from zsderm.places import Fetched, is_address, local_path

# Bytes of a file. An uncompressed 16-bit RGB scan of the most pixels that are read is just as large.
MAX_BYTES = 2**30


def file_of(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """The file in which a photograph lies: the path itself, or ``name.dcm`` for ``name.dcm#2``, see `open_file`."""
    return path if is_address(path) or os.path.lexists(path) else file_and_frame(path)[0]


def open_file(path: str | os.PathLike[str], most: int | None = MAX_BYTES) -> BinaryIO:
    """Open one file for reading bytes, or say in a clause why not; never waits for what is no regular file.

    Args:
        path: a file; the caller closes what comes back. ``name.dcm#2`` means the second picture of a DICOM file, where
            no file is called so itself: then a `FrameStream` comes back. ``SHARD.tar/name.jpg`` is a file in a tar
            file. An address, as text, is an object in a bucket; see docs/buckets.md.
        most: bytes that it may have; None for a file of which only a part is read.

    Raises:
        ImageError: it does not exist, is empty, too large, a folder, a pipe or a device, or may not be read. Files that
            Linux makes up as they are read (/proc) count as empty.
        PlaceError: the bucket in which it lies cannot be used at all.
        InputError: an address that is not read.
    """
    stream: BinaryIO
    if isinstance(path, Fetched):
        return path.taken()
    if is_address(path):
        name = os.fspath(path)
        if (local := local_path(name)) is None:
            return open_elsewhere(name, most)
        path = local
    try:
        _check(os.stat(path), most)  # before opening: a device may do something when it is opened
        stream = open(path, "rb", opener=_without_waiting)  # noqa: SIM115
    except ImageError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        if isinstance(error, NotADirectoryError) and (member := open_in_shard(path, most)) is not None:
            return member
        stream = _open_frame(path, error)
    except OSError as error:
        raise _unopened(error) from error
    except ValueError as error:  # a zero byte in the name
        raise ImageError(f"the file cannot be opened: {error}") from error
    try:
        _check(os.fstat(stream.fileno()), most)  # another file may have taken its place
    except ImageError:
        stream.close()
        raise
    return stream


def _open_frame(path: str | os.PathLike[str], missing: OSError) -> BinaryIO:
    """One picture of a DICOM file, if that is what a name means that no file has."""
    file, frame = file_and_frame(path)
    if frame is None or os.path.lexists(path):
        raise ImageError("no such file") from missing
    try:
        _check(os.stat(file), None)
        return FrameStream.open(file, frame, _without_waiting)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError("no such file") from error
    except OSError as error:
        raise _unopened(error) from error


def _unopened(error: OSError) -> ImageError:
    return ImageError(f"the file cannot be opened: {(error.strerror or str(error)).lower()}")


def _check(status: os.stat_result, most: int | None) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ImageError("a folder, not an image file")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not a regular file")
    if status.st_size == 0:
        raise ImageError("the file is empty")
    if most is not None and status.st_size > most:
        raise ImageError(f"{status.st_size / 1e9:,.1f} GB, more than the limit of {most / 1e9:.1f} GB for an image")


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def file_hash(stream: BinaryIO) -> str:
    """SHA-256 of a whole file as hex, or of one picture in it; the position of the stream stays what it was."""
    return stream.digest(_hash) if isinstance(stream, FrameStream) else _hash(stream)


def _hash(stream: BinaryIO) -> str:
    digest, place = hashlib.sha256(), stream.tell()
    stream.seek(0)
    while block := stream.read(2**20):
        digest.update(block)
    stream.seek(place)
    return digest.hexdigest()


class PatientStream:
    """A stream that ends the search through a file in which there is nothing to be found.

    Some of Pillow's readers look for the next marker byte by byte, which takes minutes in a large file of zeros.

    Args:
        stream: seekable; stays open.
    """

    _MOST = 4_000_000  # a second or two; a PNG file of `MAX_BYTES` in the usual pieces of 8 KB takes half a million

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._reads = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            OSError: asked far too often.
        """
        self._reads += 1
        if self._reads > self._MOST:
            raise OSError("the picture is not found in it, or lies there in too many pieces")
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
