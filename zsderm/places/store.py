"""What is asked of a store of objects, whichever it is.

Every request ends: it is tried `TRIES` times, and each try is given up when nothing comes for `patience` seconds.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zsderm.errors import SettingsError
from zsderm.places.addresses import Address
from zsderm.places.failures import OF_LIBRARIES, PlaceError, object_error
from zsderm.places.ranged_files import RangedFile

TRIES = 3
PATIENCE = "ZSDERM_STORE_TIMEOUT"  # seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """What a listing names.

    Attributes:
        key: of an object, or of a folder.
        size: bytes of an object; None for a folder.
    """

    key: str
    size: int | None


class Store(ABC):
    """A store, as far as it is needed here. Each method raises what `object_error` gives.

    Attributes:
        only_deep: whether a listing of one folder leaves out the folders in it, so that all below is to be listed.
    """

    only_deep = False

    @abstractmethod
    def size(self, address: Address) -> int:
        """Bytes of an object.

        Raises:
            FileNotFoundError: it is not there.
            IsADirectoryError: it is a folder.
        """

    @abstractmethod
    def listed(self, folder: Address, deep: bool) -> Iterator[Entry]:
        """What is in a folder, in no particular order; with ``deep`` all objects below it, and no folders.

        Raises:
            FileNotFoundError: there is no such folder.
        """

    @abstractmethod
    def opened(self, address: Address) -> RangedFile:
        """An object for reading here and there; its size is known then, and nothing of it is fetched.

        Raises:
            FileNotFoundError: it is not there, or is a folder.
        """

    @abstractmethod
    def put(self, address: Address, file: Path) -> None:
        """Write a file of this machine into an object, whole or not at all."""

    @abstractmethod
    def answers(self, place: Address) -> None:
        """Ask for the least that can be asked for where an address is."""


def patience() -> float:
    """For how many seconds a store may say nothing.

    Raises:
        SettingsError: the variable is no such number.
    """
    text = os.environ.get(PATIENCE, "30")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 3600:
        raise SettingsError(f"expected {PATIENCE} to be seconds from 1 to 3600, but got {text!r}")
    return seconds


@contextmanager
def own_errors(*others: type[Exception]) -> Iterator[None]:
    """Turn what a library raises into what `object_error` gives.

    Args:
        others: errors of its own, which are none of the system's and no wrong values.
    """
    expected = (*OF_LIBRARIES, *others)
    try:
        yield
    except (PlaceError, SettingsError):
        raise
    except expected as error:
        raise object_error(error) from None
