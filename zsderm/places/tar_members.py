"""Files in tar shards, as the webdataset tools and ``zsderm pretrain pack`` write them: ``SHARD.tar/0001.jpg``.

A shard is never unpacked: its heads are walked once, and from then on a file in it is a place and a length. A shard in
a bucket is copied to this machine's disk when the first file of it is read, for a thousand small requests take longer
than one large; the last few are kept.
"""

from __future__ import annotations

import io
import os
import posixpath
import tarfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, BinaryIO, cast

from zsderm.file_names import printable
from zsderm.places.addresses import address_of, is_address
from zsderm.places.object_files import fetched, object_size
from zsderm.places.ranged_files import SeekableFile

SUFFIX = ".tar"
_SIGN = f"{SUFFIX}/"
_KEPT = 4  # shards, with their lists and copies
_MOST_MEMBERS = 1_000_000  # in a shard; the list of them is in memory
_MOST_HEAD = 2**24  # bytes that may be read at once for a head: pax records say themselves how long they are


class TarError(OSError):
    """A shard or a file in it that cannot be used; its text is a clause."""

    @property
    def strerror(self) -> str:  # type: ignore[override]
        """The clause."""
        return str(self)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a shard.

    Attributes:
        name: in the shard.
        start, size: where its bytes are.
        flaw: why it cannot be read; empty where it can.
    """

    name: str
    start: int
    size: int
    flaw: str = ""


@dataclass(eq=False)
class _Shard:
    lock: Lock = field(default_factory=Lock)
    state: tuple[int, ...] = ()  # by which another file of the same name is known
    file: _Content | None = None
    members: dict[str, Member] | None = None


_shards: OrderedDict[str, _Shard] = OrderedDict()
_lock = Lock()


def is_shard(name: str | os.PathLike[str]) -> bool:
    """Whether a name is that of a tar file."""
    return os.fspath(name).lower().endswith(SUFFIX)


def shard_and_member(name: str | os.PathLike[str]) -> tuple[str, str] | None:
    """The shard and the file in it that a name means; None where it means none."""
    text = os.fspath(name)
    if os.sep != "/":
        text = text.replace(os.sep, "/")
    at = text.lower().find(_SIGN)
    return None if at < 0 else (text[: at + len(SUFFIX)], text[at + len(_SIGN) :])


def members_of(shard: str | os.PathLike[str]) -> Iterator[Member]:
    """The files in a shard in their order, without hidden ones.

    Args:
        shard: a path or an address.

    Raises:
        OSError: it cannot be opened, is compressed, damaged or cut short, or holds too many files.
        PlaceError: its bucket cannot be used at all.
    """
    yield from _opened(os.fspath(shard))[1].values()


def open_member(name: str | os.PathLike[str], most: int | None) -> BinaryIO:
    """A file in a shard, for reading; the caller closes it.

    Args:
        name: as `shard_and_member` takes it apart.
        most: bytes that it may have; None for any number.

    Raises:
        OSError, PlaceError: as `members_of`; FileNotFoundError where the shard has no such file.
    """
    meant = shard_and_member(name)
    if meant is None:
        raise FileNotFoundError(2, "no such file")
    file, members = _opened(meant[0])
    member = members.get(meant[1])
    if member is None:
        raise FileNotFoundError(2, "no such file in the tar file")
    if member.flaw:
        raise TarError(member.flaw)
    if member.size == 0:
        raise TarError("the file is empty")
    if most is not None and member.size > most:
        raise TarError(f"{member.size / 1e9:,.1f} GB, more than the limit of {most / 1e9:.1f} GB for an image")
    return cast("BinaryIO", io.BufferedReader(_Slice(file, member.start, member.size), 2**16))


def _opened(shard: str) -> tuple[_Content, dict[str, Member]]:
    """A shard for reading, and what is in it."""
    with _lock:
        kept = _shards.setdefault(shard, _Shard())
        _shards.move_to_end(shard)
        if len(_shards) > _KEPT:
            _shards.popitem(last=False)  # closed when nobody reads it any more
    with kept.lock:
        address = address_of(shard) if is_address(shard) else None
        state = _state(shard) if address is None else kept.state or (object_size(address),)
        if kept.file is None or kept.members is None or kept.state != state:
            kept.file, kept.state = _content(shard), state
            kept.members = _walked(kept.file)
        return kept.file, kept.members


def _state(shard: str) -> tuple[int, ...]:
    found = os.stat(shard)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _content(shard: str) -> _Content:
    if is_address(shard):
        return _Content(fetched(address_of(shard)))
    with open(shard, "rb") as file:
        return _Content(file)


class _Content:
    """What is in a shard, for several threads at once; closed when nobody reads it any more."""

    def __init__(self, stream: BinaryIO) -> None:
        self._number: int | None = None
        with stream:
            if isinstance(stream, io.BytesIO):
                self._bytes = stream.getvalue()
                self.size = len(self._bytes)
            else:
                self.size = stream.seek(0, os.SEEK_END)
                self._number = os.dup(stream.fileno())
        self._lock = Lock()

    def __del__(self) -> None:
        if self._number is not None:
            os.close(self._number)

    def read_at(self, place: int, size: int) -> bytes:
        """Some bytes from a place on."""
        if self._number is None:
            return self._bytes[place : place + size]
        if hasattr(os, "pread"):
            return os.pread(self._number, size, place)
        with self._lock:  # Windows
            os.lseek(self._number, place, os.SEEK_SET)
            return os.read(self._number, size)


def _walked(file: _Content) -> dict[str, Member]:
    found: dict[str, Member] = {}
    try:
        with tarfile.open(fileobj=cast("Any", _Bounded(file)), mode="r:") as tar:
            for entry in tar:
                cast("Any", tar).members.clear()  # which tarfile keeps, and nobody needs
                if not entry.isfile() or entry.name.rpartition("/")[2].startswith("."):
                    continue
                name = posixpath.normpath(printable(entry.name)).lstrip("/")  # of "./photos/1.jpg", too
                flaw = "its name leads out of the tar file" if name.startswith("../") else ""
                if entry.offset_data + entry.size > file.size:
                    raise TarError("the tar file ends in the middle of a file")
                if entry.issparse():
                    flaw = "the tar file leaves some of its bytes out"
                elif name in found:
                    flaw = "the tar file has several files of this name"
                found[name] = Member(name, entry.offset_data, entry.size, flaw)
                if len(found) > _MOST_MEMBERS:
                    raise TarError(f"the tar file holds more than {_MOST_MEMBERS:,} files")
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise TarError("no tar file, a compressed one, or a damaged one") from error
    if not found:
        raise TarError("the tar file holds no files")
    return found


class _Bounded:
    """A stream that gives at most so many bytes at a time."""

    def __init__(self, file: _Content) -> None:
        self._stream = io.BufferedReader(cast("Any", _Slice(file, 0, file.size)), 2**16)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_HEAD:
            raise TarError("the tar file has a head of an impossible length")
        return self._stream.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()


class _Slice(SeekableFile):
    """A part of a file that several threads read at once: each read goes to its own place."""

    def __init__(self, file: _Content, start: int, size: int) -> None:
        super().__init__(size)
        self._file, self._start = file, start

    def _read_at(self, place: int, size: int) -> bytes:
        return self._file.read_at(self._start + place, size)
