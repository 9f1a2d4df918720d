"""Repositories on the Hugging Face Hub: through huggingface_hub, for reading."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zsderm.errors import SettingsError
from zsderm.places.addresses import Address
from zsderm.places.ranged_files import RangedFile
from zsderm.places.store import Entry, Store, own_errors


class HubStore(Store):
    """Repositories on the Hugging Face Hub, for reading.

    Args:
        files: its file system.
    """

    def __init__(self, files: Any) -> None:
        self._files = files

    def size(self, address: Address) -> int:
        """See `Store`."""
        with own_errors(*_errors()):
            info = self._files.info(_on_hub(address))
            if info["type"] == "directory":
                raise IsADirectoryError(21, "a folder, not an image file")
            return int(info["size"])

    def listed(self, folder: Address, deep: bool) -> Iterator[Entry]:
        """See `Store`."""
        place = _on_hub(folder)
        with own_errors(*_errors()):
            found = [*self._files.find(place, detail=True).values()] if deep else self._files.ls(place, detail=True)
        start = len(place.removesuffix(folder.key).rstrip("/")) + 1
        for entry in found:
            is_folder = entry["type"] == "directory"
            if entry["name"] != place and not (is_folder and deep):
                yield Entry(entry["name"][start:], None if is_folder else int(entry["size"]))

    def opened(self, address: Address) -> RangedFile:
        """See `Store`."""
        with own_errors(*_errors()):
            file = self._files.open(_on_hub(address), "rb")
            return RangedFile(file, int(file.size), *_errors())

    def put(self, address: Address, file: Path) -> None:
        """Not here.

        Raises:
            SettingsError: always.
        """
        raise SettingsError(f"'{address}' cannot be written: the Hub is read only here. Write to a folder or a bucket.")

    def answers(self, place: Address) -> None:
        """See `Store`."""
        with own_errors(*_errors()):
            self._files.ls(_on_hub(Address(place.scheme, place.bucket, "")), detail=False, refresh=True)


def hub(address: Address) -> Store:
    """The Hub, see docs/buckets.md for the variables."""
    from huggingface_hub import HfFileSystem

    return HubStore(HfFileSystem(endpoint=os.environ.get("HF_ENDPOINT"), skip_instance_cache=True))


def _errors() -> tuple[type[Exception], ...]:
    """What the Hub's library raises that is no error of the system: those of its HTTP client."""
    from huggingface_hub.errors import HfHubHTTPError

    return tuple(kind for kind in HfHubHTTPError.__bases__ if issubclass(kind, Exception))


def _on_hub(address: Address) -> str:
    """An address as the Hub's file system takes it: it says "OWNER/NAME" of models."""
    return address.path.removeprefix("models/")
