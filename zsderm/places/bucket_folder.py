"""A folder in a bucket, to which data sets of many files are written, and from which they are read."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from zsderm.atomic_files import has_mark
from zsderm.errors import SettingsError
from zsderm.places.addresses import Address, address_of, is_address, local_path
from zsderm.places.failures import NO_BUCKET, ObjectError, place_error
from zsderm.places.folders import Folder, LocalFolder
from zsderm.places.object_files import in_parts, object_size
from zsderm.places.stores import store_of


class BucketFolder(Folder):
    """A folder in a bucket, or on the Hub for reading. Its files are objects, which appear whole.

    Args:
        address: of the folder, which may not be there yet; a bucket has to be there.
    """

    def __init__(self, address: Address) -> None:
        self.address = address

    def __str__(self) -> str:
        return str(self.address)

    def names(self) -> Iterator[str]:
        """See `Folder`.

        Raises:
            PlaceError: it cannot be listed.
        """
        start = len(self.address.key) + 1 if self.address.key else 0
        try:
            for entry in store_of(self.address).listed(self.address, deep=False):
                name = entry.key[start:]
                if entry.size is not None and not name.startswith("."):
                    yield name
        except FileNotFoundError:
            return
        except OSError as error:
            raise place_error(self.address, error) from None

    def has(self, name: str) -> bool:
        """See `Folder`.

        Raises:
            PlaceError: nobody can say.
        """
        try:
            object_size(self.address.below(name))
        except (FileNotFoundError, IsADirectoryError):
            return False
        except OSError as error:
            raise place_error(self.address, error) from None
        return True

    def open(self, name: str) -> BinaryIO:
        """See `Folder`; only those parts are fetched that are read."""
        return in_parts(self.address.below(name))

    @contextmanager
    def written(self, name: str, mark: re.Pattern[bytes] | None = None) -> Iterator[Path]:
        """See `Folder`; the file is uploaded in one piece when it is complete."""
        place = self.address.below(name)
        with TemporaryDirectory(prefix="zsderm-") as folder:
            draft = Path(folder) / Path(name).name
            try:
                if mark is not None:
                    self._refuse_others(name, mark)
                yield draft
                self._upload(draft, place)
            except OSError as error:
                if _is_full(error):
                    raise SettingsError(
                        f"cannot write '{draft.parent.parent}', where files are made before they are uploaded: the "
                        "disk is full. Make room there, or set TMPDIR to another folder"
                    ) from None
                raise SettingsError(
                    f"cannot write '{place}': {error.strerror or error}. Check the keys and the bucket, or choose "
                    "another place; see docs/buckets.md"
                ) from None

    def below(self, name: str) -> BucketFolder:
        """See `Folder`."""
        return BucketFolder(self.address.below(name))

    def _upload(self, draft: Path, place: Address) -> None:
        try:
            store_of(place).put(place, draft)
        except FileNotFoundError as error:
            raise ObjectError(NO_BUCKET, "there is no such bucket") from error

    def _refuse_others(self, name: str, mark: re.Pattern[bytes]) -> None:
        """As `zsderm.atomic_files.refuse_others`."""
        try:
            with self.open(name) as stream:
                ours = has_mark(stream, mark)
        except FileNotFoundError:
            return
        if not ours:
            raise SettingsError(
                f"'{self.address.below(name)}' would be replaced, but it is not what zsderm writes there. Choose "
                "another place."
            )


def _is_full(error: OSError) -> bool:
    """Whether an error says that a disk of this machine is full; those of pyarrow say it in words."""
    return error.errno == errno.ENOSPC or f"[errno {errno.ENOSPC}]" in str(error)


def folder_at(place: str | os.PathLike[str] | Folder) -> Folder:
    """The folder that a path or an address names; a folder is given back as it is.

    Raises:
        InputError: an address that leads nowhere, or holds what is to be kept secret.
    """
    if isinstance(place, Folder):
        return place
    if not is_address(place):
        return LocalFolder(place)
    text = os.fspath(place)
    if (path := local_path(text)) is not None:
        return LocalFolder(path)
    return BucketFolder(address_of(text))
