"""Where the images of a table lie: the file that a name in the table means, and whether it is inside a folder."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from zsderm.file_names import file_and_frame
from zsderm.image_names import ImageNames
from zsderm.images import SUFFIXES, file_of


class ImageFiles:
    """The files below a folder by the names that a table has for them.

    A name is a path relative to the folder. Where no file has it as it stands, one in the same folder is found that
    differs in slashes, in the form of accents, in case, or in a suffix that only one of the two has; never one of
    another format. Each folder is listed once.

    Args:
        folder: what names are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[Path, frozenset[str]] = {}
        self._images: dict[Path, tuple[list[str], ImageNames]] = {}

    def find(self, name: str) -> tuple[Path, str]:
        """The file that a name means, or the path as it stands where there is none; and what is wrong with the name."""
        path = self.folder / name
        listed = self._names(path.parent)
        if path.name in listed or file_and_frame(path.name)[0] in listed:  # one picture of a file of several
            return path, ""
        slashed = name.replace("\\", "/")
        forms = (slashed, *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD")))
        for other in dict.fromkeys(self.folder / form for form in forms):
            if other.name in self._names(other.parent):
                return other, ""
            names, known = self._known(other.parent)
            numbers, (_, suffix, *_) = known.meant_by(other.name)
            meant = [names[number] for number in numbers] if suffix else []
            if len(meant) > 1:
                return path, f"the name may mean {' or '.join(sorted(meant)[:3])}; write its suffix"
            if meant:
                return other.with_name(meant[0]), ""
        return path, ""

    def _names(self, folder: Path) -> frozenset[str]:
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(os.listdir(folder))
            except (OSError, ValueError):  # not there, no folder, or a name that no file can have
                self._listed[folder] = frozenset()
        return self._listed[folder]

    def _known(self, folder: Path) -> tuple[list[str], ImageNames]:
        if folder not in self._images:
            names = [name for name in self._names(folder) if os.path.splitext(name)[1].lower() in {"", *SUFFIXES}]
            self._images[folder] = names, ImageNames(names)
        return self._images[folder]


def is_inside(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a file lies in one of the folders once links and `..` are followed."""
    try:
        real = Path(file_of(path)).resolve()
        return any(real.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, RuntimeError, ValueError):  # a circle of links, or a name that no file can have
        return False
