"""A folder of files that appear whole or not at all: the one thing that a data set of many parts asks of a disk."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from zsderm.atomic_files import atomic_file
from zsderm.file_names import printable


class Folder(ABC):
    """A folder of files by name. As text it is shown to users and stored in manifests: nothing secret is in it."""

    @abstractmethod
    def __str__(self) -> str: ...

    @abstractmethod
    def names(self) -> Iterator[str]:
        """The names of the files right in it, in no particular order, without drafts; none where there is no folder.

        Raises:
            OSError: it cannot be listed.
        """

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether a file is there.

        Raises:
            OSError: nobody can say.
        """

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """A file for reading, seekable; the caller closes it.

        Raises:
            OSError: it is not there, or cannot be read.
        """

    @abstractmethod
    def written(self, name: str, mark: re.Pattern[bytes] | None = None) -> AbstractContextManager[Path]:
        """Give a draft on this machine's disk, which becomes the file when it is complete, or never.

        Args:
            name: of the file; folders that are missing are made.
            mark: see `zsderm.atomic_files.atomic_file`.

        Raises:
            SettingsError: it cannot be written, or holds a file of somebody else.
        """

    @abstractmethod
    def below(self, name: str) -> Folder:
        """A folder in it, which may not be there yet."""


class LocalFolder(Folder):
    """A folder on a disk of this machine, or one that is mounted there.

    Args:
        path: of the folder, which may not be there yet.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __str__(self) -> str:
        return printable(str(self.path))

    def names(self) -> Iterator[str]:
        """See `Folder`."""
        if not self.path.is_dir():
            return
        with os.scandir(self.path) as entries:
            for entry in entries:
                # os.path.isfile is false, and not an error, for a link that leads to itself.
                if not entry.name.startswith(".") and os.path.isfile(entry.path):
                    yield entry.name

    def has(self, name: str) -> bool:
        """See `Folder`."""
        return (self.path / name).is_file()

    def open(self, name: str) -> BinaryIO:
        """See `Folder`."""
        return (self.path / name).open("rb")

    def written(self, name: str, mark: re.Pattern[bytes] | None = None) -> AbstractContextManager[Path]:
        """See `Folder`."""
        return atomic_file(self.path / name, mark=mark)

    def below(self, name: str) -> LocalFolder:
        """See `Folder`."""
        return LocalFolder(self.path / name)
