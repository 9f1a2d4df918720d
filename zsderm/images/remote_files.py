"""Photographs that are no files of their own on this machine: objects in buckets, and files in tar shards."""

from __future__ import annotations

import os
from typing import BinaryIO

from zsderm.errors import ImageError
from zsderm.file_names import file_and_frame
from zsderm.images.frames import FrameStream
from zsderm.places import address_of, fetched, in_parts, open_member, shard_and_member


def open_elsewhere(name: str, most: int | None) -> BinaryIO:
    """Open what an address of a bucket means: an object, a file in a tar shard, or one picture of a DICOM file.

    Args:
        name: the address; the caller closes what comes back.
        most: bytes that it may have, which is asked before it is fetched; None for a file of which only a part is read.

    Raises:
        ImageError: it is not there, empty, too large, a folder, or was not given; the message is one clause.
        PlaceError: the bucket cannot be used at all.
        InputError: it is no address that is read.
    """
    try:
        return _opened(name, most)
    except (FileNotFoundError, IsADirectoryError) as error:
        file, frame = file_and_frame(name)
        if frame is None or isinstance(error, IsADirectoryError):
            raise ImageError(error.strerror or str(error)) from error
        missing = error
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from error
    try:
        return FrameStream.of(_opened(file, most), frame)
    except (FileNotFoundError, IsADirectoryError):
        raise ImageError(missing.strerror or str(missing)) from missing
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from error


def open_in_shard(name: str | os.PathLike[str], most: int | None) -> BinaryIO | None:
    """Open a file in a tar shard on a disk; None where no shard is meant.

    Raises:
        ImageError: see `open_elsewhere`.
    """
    meant = shard_and_member(name)
    if meant is None or not os.path.isfile(meant[0]):
        return None
    try:
        return _member(name, most)
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from error


def _opened(name: str, most: int | None) -> BinaryIO:
    if shard_and_member(name) is not None:
        return _member(name, most)
    address = address_of(name)
    if most is None:
        return in_parts(address)
    return fetched(address, most)


def _member(name: str | os.PathLike[str], most: int | None) -> BinaryIO:
    try:
        return open_member(name, most)
    except FileNotFoundError:
        file, frame = file_and_frame(name)
        if frame is None:
            raise
        return FrameStream.of(open_member(file, most), frame)
