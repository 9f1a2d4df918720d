"""Names of images: which spellings mean the same photograph, and how well two of them fit.

This rule stands here and nowhere else; `zsderm.image_table` finds the rows of a table by it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from zsderm.file_names import printable
from zsderm.table_files import plain

# A name ends in one of these, or has no suffix: in "scan.left" and "1.2.840.7" the dots are part of the name.
PICTURE = re.compile(
    r"(?P<stem>.+)\.(jpe?g|jpe|jfif|png|webp|tiff?|bmp|gif|heic|heif|hif|avif|jp2|(dcm|dicom)(?P<frame>#\d+)?)",
    re.IGNORECASE,
)

Rank = tuple[int, int, int, int]
NO_RANK: Rank = (0, 0, 0, 0)  # of names that do not fit


class ImageNames:
    """Names of images, among which another spelling of the same image is found.

    Blanks around a name, "\\" for "/" and the form of accents (NFC, NFD) make no difference. In order: the same path;
    the longest name that is an end of the path; a path of which the name is an end; the same file name in another
    folder. Among these the same suffix comes before a name without one, and that before another suffix; and the same
    case before another case.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._parts = [path_parts(name) for name in names]
        self._exact: dict[tuple[str, ...], int] = {}
        self._by_stem: defaultdict[str, list[int]] = defaultdict(list)
        for number, parts in enumerate(self._parts):
            if parts and self._exact.setdefault(parts, number) == number:
                self._by_stem[_stem(parts[-1]).casefold()].append(number)

    def meant_by(self, name: str) -> tuple[list[int], Rank]:
        """The numbers of the names that fit best: none, one, or several that nothing tells apart; and how well."""
        parts = path_parts(name)
        for start in range(len(parts)):  # short for the loop below, which would rank these first
            if (number := self._exact.get(parts[start:])) is not None:
                return [number], _rank(parts, parts[start:])
        found = self._by_stem.get(_stem(parts[-1]).casefold(), []) if parts else []
        ranks = {number: _rank(parts, self._parts[number]) for number in found}
        best = max(ranks.values(), default=NO_RANK)
        return [number for number, rank in ranks.items() if rank == best], best


def is_end(rank: Rank) -> bool:
    """Whether one of two names that fit is an end of the other, so that no folder in them differs."""
    return rank[0] > 0


def path_parts(name: str) -> tuple[str, ...]:
    """The folders and the file name of a path, in one spelling."""
    path = PurePosixPath(plain(printable(name)).replace("\\", "/"))
    return tuple(part for part in path.parts if part.strip("/"))


def _stem(name: str) -> str:
    """A file name without its suffix; one picture of a file of several keeps its number."""
    found = PICTURE.fullmatch(name)
    return name if found is None else found["stem"] + (found["frame"] or "")


def _rank(image: tuple[str, ...], name: tuple[str, ...]) -> Rank:
    """How well two paths fit whose file names are equal but for suffix and case: the larger the better."""
    one, other = ([_stem(path[-1]), *reversed(path[:-1])] for path in (image, name))
    equal = 0
    while equal < min(len(one), len(other)) and one[equal].casefold() == other[equal].casefold():
        equal += 1
    end = 0 if equal < min(len(one), len(other)) else 2 + (len(name) == len(image)) - (len(name) > len(image))
    without = one[0] == image[-1] or other[0] == name[-1]
    suffix = 2 if image[-1].casefold() == name[-1].casefold() else int(without)
    return end, suffix, int(one[:equal] == other[:equal]), equal
