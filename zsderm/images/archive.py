"""Photographs in a ZIP archive from an untrusted source: read one by one, never unpacked under their own names.

An archive may claim a size beyond any disk, name paths outside of its folder, or contain links and further archives.
The claims of the whole archive are checked before anything is read. A problem of a single file is a reason for that
file only, so that the other files can be used. Names are only shown: nothing in this module writes to a path.
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
    """The limits on an archive.

    Attributes:
        files: number of files of any kind.
        bytes: unpacked size of all files together.
        bytes_of_one: unpacked size of one file.
        ratio: unpacked to packed size of one file, checked above 1 MiB. Photographs hardly compress, text compresses
            about 5 to 1, and Deflate reaches at most about 1000 to 1.
        directory: bytes of the file list, which is read in one piece.
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
        limits: the limits on the archive; by default those of `ArchiveLimits`.

    Attributes:
        passed_over: number of skipped files by suffix, as for folders; without hidden files, "__MACOSX" and folders.

    Raises:
        ImageError: this is not a ZIP archive, or it exceeds the limits; the message is one clause.
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
        """The photographs in the order of the archive; those that cannot be read have a reason."""
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
        name: path in the archive, with "/" between folders; only to be shown, never to be written to.
        size: unpacked size in bytes.
        reason: why the file cannot be read, as one clause; empty if it can.
    """

    name: str
    size: int
    reason: str
    _archive: PhotographArchive
    _info: zipfile.ZipInfo

    def read(self) -> bytes:
        """The whole content.

        Raises:
            ImageError: the file has a ``reason``, is damaged, or is itself an archive.
        """
        return b"".join(self._blocks())

    def copy_to(self, target: BinaryIO) -> int:
        """Write the content to an open file in pieces; returns the number of bytes.

        Args:
            target: a file opened for writing, under a name that the caller chose.

        Raises:
            ImageError: see `read`; the data written until then is incomplete.
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
