"""What may stand for many photographs besides a folder: a pattern, a tar shard, a list in a table, an address."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from zsderm.errors import ImageError, InputError, WrongTypeError
from zsderm.file_names import counting_order, printable
from zsderm.images.formats import SUFFIXES
from zsderm.places import (
    Address,
    address_of,
    is_shard,
    local_path,
    members_of,
    object_size,
    objects_below,
    objects_like,
)

PIXELS = "an array of (H, W, 3) uint8"
Source = str | os.PathLike[str]
NO_SUFFIX = "no suffix"  # what is counted besides files by their suffix


class Pattern(str):
    """All photographs that a pattern matches, in the order in which people count.

    ``*`` and ``?`` stand for anything within one name, ``[abc]`` for one of these letters, and ``**`` as a whole name
    for any number of folders. What is hidden (".name") is left out. A tar file that matches stands for what is in it.
    ``Pattern("photos/**/*.jpg")``, ``Pattern("s3://bucket/2024/*/*.tar")``
    """


class NameList(str):
    """Names of photographs that are read as they are asked for; its text says where they are from.

    Attributes:
        names: gives the names from the first on, each time it is called.
    """

    names: Callable[[], Iterable[str]]

    @classmethod
    def of(cls, source: str, names: Callable[[], Iterable[str]]) -> NameList:
        """A list."""
        found = cls(source)
        found.names = names
        return found


def listed_sources(images: object, *kinds: type) -> list[Any]:
    """The photographs as a list.

    Args:
        images: one, or several.
        kinds: types that are taken.

    Raises:
        WrongTypeError: something is of none of the kinds.
    """
    if isinstance(images, np.ndarray) and images.dtype.kind in "OU":  # paths, as the column of a table gives them
        images = images.tolist()
    if isinstance(images, kinds):
        return [images]
    strange = images
    if isinstance(images, Iterable) and not isinstance(images, bytes | Mapping):
        items = list(images)
        others = [item for item in items if not isinstance(item, kinds)]
        if not others:
            return items
        strange = others[0]
    taken = "a folder, a path"
    if np.ndarray in kinds:
        taken += f", a PIL image, pixels ({PIXELS})"
    raise WrongTypeError(f"Expected {taken} or a list of them, but got {type(strange).__name__}.")


def matching(pattern: str, passed_over: Counter[str]) -> Iterator[Path | str]:
    """The photographs that a pattern matches, see `Pattern`; at least one.

    Args:
        pattern: of paths, or of one address.
        passed_over: counts what else it matches, by suffix.

    Raises:
        ImageError: it matches no image.
        PlaceError, InputError: the bucket cannot be used, or the address cannot.
    """
    if "://" in pattern and local_path(pattern) is None:
        found: Iterable[str] = map(str, objects_like(address_of(pattern)))
    else:
        local = local_path(pattern) if "://" in pattern else pattern
        paths = glob.iglob(local or pattern, recursive=True)
        found = sorted((path for path in paths if not os.path.isdir(path)), key=_in_order)
    before = Counter(passed_over)
    none = True
    for name in found:
        for image in _images(name, passed_over):
            none = False
            yield image
    if none:
        left_out = sorted((passed_over - before).items())
        also = f" It matches: {', '.join(f'{count} {kind}' for kind, count in left_out)}." if left_out else ""
        raise ImageError(f"no image matches '{printable(pattern)}'. Check the folder and the suffix.{also}")


def in_bucket(name: str, passed_over: Counter[str]) -> Iterator[str]:
    """What an address stands for: an object, or all photographs in a folder or a tar shard.

    Args:
        name: the address. One that ends like an image is an object, whether it is there or not.
        passed_over: counts what was left out in a folder, by suffix.

    Raises:
        ImageError: there is no such folder, or it holds no images.
        PlaceError, InputError: the bucket cannot be used, or the address cannot.
    """
    address = address_of(name)
    if is_shard(name):
        yield from map(str, in_shard(name, passed_over))
    elif address.suffix in SUFFIXES and not name.endswith("/"):
        yield str(address)
    elif not (address.suffix or name.endswith("/")) or not _is_object(address):
        yield from _below(address, passed_over)
    else:
        yield str(address)


def in_shard(shard: str, passed_over: Counter[str]) -> Iterator[Path | str]:
    """The photographs in a tar shard, in its order.

    Args:
        shard: a path or an address.
        passed_over: counts what else is in it, by suffix.

    Raises:
        ImageError: it cannot be read, or holds no images.
        PlaceError: its bucket cannot be used at all.
    """
    none = True
    try:
        for member in members_of(shard):
            suffix = PurePosixPath(member.name).suffix.lower()
            if suffix in SUFFIXES:
                none = False
                yield _named(f"{shard}/{member.name}")
            else:
                passed_over[suffix or NO_SUFFIX] += 1
    except OSError as error:
        raise ImageError(f"cannot read '{printable(shard)}': {error.strerror or error}") from error
    if none:
        raise ImageError(f"'{printable(shard)}' holds no images. Expected a tar file with photographs in it.")


def check_address(name: str) -> None:
    """Refuse an address that is not read, or holds what is to be kept secret.

    Raises:
        InputError: it is such an address.
    """
    if local_path(name) is None:
        address_of(name)


def _below(folder: Address, passed_over: Counter[str]) -> Iterator[str]:
    none = True
    before = Counter(passed_over)
    try:
        for found in objects_below(folder):
            if found.suffix in SUFFIXES:
                none = False
                yield str(found)
            else:
                passed_over[found.suffix or NO_SUFFIX] += 1
    except FileNotFoundError:
        if _is_object(folder):  # without a suffix
            yield str(folder)
            return
        raise ImageError(f"there is no folder '{folder}'. Check the spelling.") from None
    if none:
        counted = sorted((passed_over - before).items())
        also = f" Passed over: {', '.join(f'{count} {kind}' for kind, count in counted)}." if counted else ""
        shards = f" Name tar files with a pattern: '{folder}/*.tar'" if (passed_over - before)[".tar"] else ""
        raise ImageError(f"folder '{folder}' holds no images.{also}{shards}")


def _is_object(address: Address) -> bool:
    try:
        object_size(address)
    except InputError:
        raise
    except OSError:
        return False
    return True


def _images(name: str, passed_over: Counter[str]) -> Iterator[Path | str]:
    """What a name that a pattern matches stands for."""
    suffix = PurePosixPath(name).suffix.lower()
    if is_shard(name):
        yield from in_shard(name, passed_over)
    elif suffix in SUFFIXES:
        yield _named(name)
    else:
        passed_over[suffix or NO_SUFFIX] += 1


def _named(name: str) -> Path | str:
    return name if "://" in name else Path(name)


def _in_order(path: str) -> str:
    return counting_order(path.replace(os.sep, "/"))
