"""Photographs in a ZIP archive that somebody else packed: read member by member, and never unpacked by its names.

An archive may claim to hold more than any disk does, name places outside of its folder, or hold links and further
archives. What the whole of it claims is checked before anything is read; what a single member is or does is a reason
beside that member, so that the others count. Names are text to be shown: nothing here writes a file.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from types import TracebackType
from typing import BinaryIO

from zsderm.errors import ImageError
from zsderm.file_names import printable
from zsderm.images.files import MAX_BYTES, open_file
from zsderm.images.formats import SUFFIXES

NO_SUFFIX = "no suffix"

_NESTED = "an archive inside the archive, which is not read; unpack it first"
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes before they give a byte
_SMALL = 2**20  # bytes up to which a member may be of any ratio: a white square of BMP is a hundredth
_BLOCK = 2**18
_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ")
_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may be at most.

    Attributes:
        files: members, of any kind.
        bytes: of all members together, unpacked.
        bytes_of_one: of one member, unpacked.
        ratio: of the bytes of a member, unpacked to packed; photographs are hardly packed at all, and text about five
            to one. A thousand to one is as far as the usual method goes.
        directory: bytes of the list of members, which is read at once.
    """

    files: int = 10_000
    bytes: int = 2**34
    bytes_of_one: int = MAX_BYTES
    ratio: int = 100
    directory: int = 2**22


class PhotographArchive(AbstractContextManager["PhotographArchive"]):
    """A ZIP archive of photographs, opened for reading.

    ``with PhotographArchive(path) as archive: for file in archive.files(): ...``

    Args:
        source: a path, the bytes of an archive, or a seekable stream of them, which stays open.
        limits: what it may be at most.

    Attributes:
        passed_over: what was left out, by suffix, as in folders. Hidden files, "__MACOSX" and folders are not counted.

    Raises:
        ImageError: no ZIP archive, or one beyond the limits; the message is one clause.
    """

    def __init__(self, source: str | os.PathLike[str] | bytes | BinaryIO, limits: ArchiveLimits | None = None) -> None:
        self.limits = limits or ArchiveLimits()
        self.passed_over: Counter[str] = Counter()
        self._own = isinstance(source, str | os.PathLike)
        if isinstance(source, bytes):
            source = BytesIO(source)
        elif isinstance(source, str | os.PathLike):
            source = open_file(source, most=None)
        self._stream: BinaryIO = source
        try:
            self._zip = zipfile.ZipFile(_Bounded(source, self.limits.directory))
            self._check()
        except _DAMAGE as error:
            self._close()
            if isinstance(error, ImageError):
                raise
            raise ImageError(f"not a ZIP archive, or a damaged one: {_plain(error)}") from error
        self._read = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._zip.close()
        self._close()

    def files(self) -> Iterator[ArchivedFile]:
        """The photographs in the order of the archive; those that may not be read have a reason."""
        self.passed_over.clear()
        seen: set[str] = set()
        for info in self._zip.infolist():
            name = printable(info.filename.replace("\\", "/"))
            if info.is_dir() or _is_hidden(name):
                continue
            suffix = PurePosixPath(name).suffix.lower()
            reason = self._reason(info, name)
            if not reason and suffix not in SUFFIXES and suffix != ".zip":
                self.passed_over[suffix or NO_SUFFIX] += 1
                continue
            key = name.casefold()
            if not reason and key in seen:
                reason = "the archive has several files of this name; only the first is read"
            seen.add(key)
            yield ArchivedFile(name, info.file_size, reason, self, info)

    def _check(self) -> None:
        members = self._zip.infolist()
        if len(members) > self.limits.files:
            raise ImageError(f"a ZIP archive of {len(members):,} files, more than the limit of {self.limits.files:,}")
        total = sum(info.file_size for info in members)
        if total > self.limits.bytes:
            raise ImageError(f"a ZIP archive of {_size(total)} unpacked, more than the limit of "
                             f"{_size(self.limits.bytes)}")  # fmt: skip

    def _reason(self, info: zipfile.ZipInfo, name: str) -> str:
        """Why a member may not be read; empty where it may."""
        kind, parts, most = info.external_attr >> 16, name.split("/"), self.limits.bytes_of_one
        wrong = {
            "a link in the archive, which is not followed": stat.S_ISLNK(kind),
            "not a regular file": stat.S_IFMT(kind) and not stat.S_ISREG(kind),
            "encrypted; pack the archive without a password": info.flag_bits & _ENCRYPTED,
            "its name leads out of the archive": parts[0] == "" or ":" in parts[0] or ".." in parts,
            _NESTED: parts[-1].lower().endswith(".zip"),
            "compressed by a method that is not supported; use Deflate or no compression": info.compress_type
            not in _METHODS,
            f"{_size(info.file_size)}, more than the limit of {_size(most)}": info.file_size > most,
            f"compressed more than {self.limits.ratio} to 1, which photographs are not": (
                info.file_size > max(_SMALL, self.limits.ratio * info.compress_size)
            ),
        }
        return next((reason for reason, applies in wrong.items() if applies), "")

    def _blocks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """What is in a member, piece by piece; never more than the archive said, nor than the limits."""
        try:
            with self._zip.open(info) as member:
                first = True
                while block := member.read(_BLOCK):
                    if first and block.startswith(_SIGNATURES):
                        raise ImageError(_NESTED)
                    first = False
                    self._read += len(block)
                    if self._read > self.limits.bytes:
                        raise ImageError(f"the archive holds more than the limit of {_size(self.limits.bytes)}")
                    yield block
        except ImageError:
            raise
        except _DAMAGE as error:
            raise ImageError(f"damaged in the archive: {_plain(error)}") from error

    def _close(self) -> None:
        if self._own:
            self._stream.close()


@dataclass(frozen=True, eq=False)
class ArchivedFile:
    """One file of an archive.

    Attributes:
        name: as the archive has it, with "/" between folders: to be shown, never a place to write to.
        size: its bytes, unpacked.
        reason: why it may not be read, as one clause; empty where it may.
    """

    name: str
    size: int
    reason: str
    _archive: PhotographArchive
    _info: zipfile.ZipInfo

    def read(self) -> bytes:
        """All of it.

        Raises:
            ImageError: see ``reason``; or it is damaged, or an archive.
        """
        return b"".join(self._blocks())

    def copy_to(self, target: BinaryIO) -> int:
        """Write it to an open file, piece by piece; how many bytes that were.

        Args:
            target: opened for writing under a name of the caller's own.

        Raises:
            ImageError: as `read`; what was written until then is no file.
        """
        return sum(target.write(block) for block in self._blocks())

    def _blocks(self) -> Iterator[bytes]:
        if self.reason:
            raise ImageError(self.reason)
        return self._archive._blocks(self._info)


class _Bounded:
    """A stream that gives at most so many bytes at a time: the list of members is read at once, whatever its size."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self._stream, self._most = stream, most

    def read(self, size: int = -1) -> bytes:
        if size > self._most:
            raise ImageError(f"a ZIP archive whose list of files takes {size / 1e6:,.0f} MB, more than the limit of "
                             f"{self._most / 1e6:,.0f} MB")  # fmt: skip
        return self._stream.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or any(part.startswith(".") and part != ".." for part in parts)


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _plain(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return printable(text[:1].lower() + text[1:])
