"""A page of photographs side by side: what was found for a query, or pairs that look alike.

The page needs no other file and no network. It is written as a stream: a thumbnail is made when the page gets there,
and forgotten after.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from zsderm.file_names import printable
from zsderm.report.pictures import thumbnail
from zsderm.report.template import write_page


@dataclass(frozen=True)
class Tile:
    """One photograph."""

    path: str  # opened as a file
    mark: str = ""  # what stands first below it: a rank, the name of its set
    score: float | None = None  # drawn as a bar from 0 to 1

    @property
    def name(self) -> str:
        """The file name without its folders."""
        return printable(PurePath(self.path).name)

    @property
    def folder(self) -> str:
        """The folders without the file name."""
        return printable(str(PurePath(self.path).parent))

    @cached_property
    def thumbnail(self) -> str:
        """The photograph as a data URI; empty when it cannot be read."""
        return thumbnail(self.path)


@dataclass(frozen=True)
class Strip:
    """Photographs that belong together."""

    tiles: Sequence[Tile]
    heading: str = ""
    note: str = ""


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    strips: Iterable[Strip]  # may be a generator: it is gone through once
    heading: str = ""
    legend: str = ""
    paired: bool = False  # each strip a card of its own, two photographs wide


@dataclass(frozen=True)
class ContactSheet:
    """What the page says."""

    kicker: str
    title: str
    lead: str
    parts: Sequence[Part]
    facts: Sequence[tuple[str, str]] = ()
    caution: str = "Photographs that look alike need not show the same disease."

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the page as HTML; the file is replaced whole or not at all.

        Raises:
            SettingsError: the place cannot be written.
        """
        write_page("contact_sheet.html.j2", path, sheet=self)
