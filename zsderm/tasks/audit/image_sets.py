"""A set of photographs that is meant: a folder, an image, or the rows of a table."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zsderm import images
from zsderm.errors import InputError
from zsderm.image_table import ImageTable
from zsderm.long_tables import as_wide
from zsderm.places import address_of, has_signs, is_address, local_path

# A path that may hold a colon itself (C:\data\index.csv), then column=value.
_SELECTION = re.compile(
    r"(?P<file>.+\.(?:csv|tsv|jsonl|ndjson|parquet))(?::(?P<column>[^=]+)=(?P<value>.*))?", re.IGNORECASE
)


@dataclass(frozen=True)
class ImageSet:
    """Photographs, and which of them belong together.

    Attributes:
        source: as it was given.
        paths: N files, which need not exist; addresses are text.
        groups: by column name (patient_id), the group of each image; an empty string where it is unknown.
        passed_over: what was left out in the folder; see `zsderm.images.ImageList`.
    """

    source: str
    paths: tuple[Path | str, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    passed_over: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, source: str, group_columns: Sequence[str] = (), *, follow_links: bool = False) -> ImageSet:
        """The set that a text stands for.

        Args:
            source: a folder, an image, a tar file, a pattern (see `zsderm.images.Pattern`), ``FILE.csv``, or
                ``FILE.csv:column=value`` for some rows of it; JSON Lines and Parquet likewise. The names in a table are
                relative to its folder.
            group_columns: columns of the table that name patients or lesions; ``patient_id+lesion_id`` takes two
                together, for lesions that are numbered anew for each patient.
            follow_links: whether links to folders are followed.

        Raises:
            InputError: columns are asked of a folder, or the table lacks something.
            ImageError: a folder that is missing or empty, or a pattern that matches no image.
        """
        selection = None if Path(source).is_dir() else _SELECTION.fullmatch(source)
        if selection is None:
            if group_columns:
                raise InputError(
                    f"expected a CSV table for the column {group_columns[0]!r}, but got {source!r}; name a table with "
                    "a column filename, as FILE.csv or FILE.csv:split=train"
                )
            passed_over: Counter[str] = Counter()
            meant = images.Pattern(source) if _is_pattern(source) else source
            paths = images.find(meant, follow_links=follow_links, passed_over=passed_over)
            return cls(source, tuple(paths), passed_over=dict(passed_over.most_common()))
        if is_address(source):
            raise InputError(f"expected a table on this machine, but got '{source}'. Copy it; it may name addresses.")
        table = as_wide(ImageTable.read(Path(selection["file"])))
        if selection["column"] is not None:
            table = table.where(selection["column"].strip(), selection["value"].strip())
        return cls(source, tuple(table.sources), {name: _groups(table, name) for name in group_columns})

    def __len__(self) -> int:
        return len(self.paths)


def _is_pattern(source: str) -> bool:
    """Whether a text is a pattern of paths or of addresses; a file that is called so itself comes first."""
    if is_address(source) and local_path(source) is None:
        return has_signs(address_of(source).key)
    return has_signs(source) and not os.path.lexists(source)


def _groups(table: ImageTable, name: str) -> tuple[str, ...]:
    """The cells of a column, or of several joined; empty where one of them is."""
    parts = [name] if name in table.frame.columns else name.split("+")
    rows = zip(*(table.ids(part.strip()) for part in parts), strict=True)
    return tuple("+".join(cells) if all(cells) else "" for cells in rows)
