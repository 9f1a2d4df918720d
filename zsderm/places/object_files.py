"""Objects in buckets, opened like files: fetched whole where they are photographs, in parts where they are large."""

from __future__ import annotations

from io import BytesIO
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from zsderm.places.addresses import Address
from zsderm.places.failures import UNFIT, ObjectError
from zsderm.places.ranged_files import RangedFile, buffered
from zsderm.places.stores import store_of, suspect

IN_MEMORY = 2**24  # bytes up to which an object is held in memory; larger ones lie on this machine's disk
_PIECE = 2**23  # bytes fetched at a time


def object_size(address: Address) -> int:
    """Bytes of an object, asked of the store.

    Raises:
        OSError: it is not there, may not be read, or the store does not say; see `zsderm.places.failures`.
        PlaceError: the bucket cannot be used at all.
    """
    try:
        return store_of(address).size(address)
    except IsADirectoryError:
        raise
    except OSError as error:
        suspect(address, error)
        raise


def fetched(address: Address, most: int | None = None) -> BinaryIO:
    """A copy of an object, read to its end.

    Args:
        address: of the object.
        most: bytes that it may have, which are asked for before it is fetched; None for any number.

    Raises:
        OSError, PlaceError: as `object_size`; or it is empty, too large, or changed while it was read.
    """
    try:
        with store_of(address).opened(address) as file:
            _check_size(file.size, most)
            if file.size <= IN_MEMORY:
                content = file.whole()
                _check_whole(len(content), file.size)
                return BytesIO(content)
            return _on_disk(file)
    except OSError as error:
        suspect(address, error)
        raise


def in_parts(address: Address) -> BinaryIO:
    """An object of any size, of which only those parts are fetched that are read.

    Raises:
        OSError, PlaceError: as `object_size`.
    """
    try:
        return buffered(store_of(address).opened(address))
    except OSError as error:
        suspect(address, error)
        raise


def _on_disk(file: RangedFile) -> BinaryIO:
    copy = cast("BinaryIO", TemporaryFile(prefix="zsderm-"))  # noqa: SIM115
    try:
        for start in range(0, file.size, _PIECE):
            file.seek(start)
            copy.write(file.read(_PIECE))
        _check_whole(copy.tell(), file.size)
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return copy


def _check_size(size: int, most: int | None) -> None:
    if size == 0:
        raise ObjectError(UNFIT, "the file is empty")
    if most is not None and size > most:
        raise ObjectError(UNFIT, f"{size / 1e9:,.1f} GB, more than the limit of {most / 1e9:.1f} GB for an image")


def _check_whole(read: int, size: int) -> None:
    if read != size:
        raise ObjectError(UNFIT, f"the object changed while it was read: {size} bytes were said, {read} came")
