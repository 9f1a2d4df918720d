"""Which region of the body each photograph shows, from a column of a table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from zsderm.errors import FallbackWarning, InputError
from zsderm.image_table import ImageTable, known_column
from zsderm.knowledge.body_sites import body_parts

# The columns that name the region, the first one that a table has.
REGION_COLUMNS = (
    "region", "body_region", "site", "body_site", "body_part", "localization", "location", "anatom_site_general",
    "anatom_site_general_challenge", "anatomic_site",
)  # fmt: skip
_LISTED = 5


def read_regions(images: Sequence[str], path: Path, image_column: str | None) -> list[str]:
    """The region of each image, as the table writes it; empty where it is not known.

    Args:
        images: N names.
        path: a table with an image column and one of `REGION_COLUMNS`.
        image_column: the column that names the images, if the table has it.

    Raises:
        InputError: no such column, or the table does not fit; see `ImageTable.beside`.

    Warns:
        FallbackWarning: a cell names no part of the body that is known.
    """
    table = ImageTable.read_another(path, image_column).beside(images)
    column = known_column(table.frame.columns, REGION_COLUMNS)
    if not column:
        raise InputError(
            f"expected a column of body regions in {path} ({', '.join(REGION_COLUMNS)}), but its columns are: "
            f"{', '.join(table.frame) or 'none'}"
        )
    cells = table.ids(column)
    parts = {cell: bool(body_parts(cell)) for cell in dict.fromkeys(cells) if cell}
    if strange := [cell for cell, known in parts.items() if not known]:
        more = f" and {len(strange) - _LISTED} more" if len(strange) > _LISTED else ""
        warnings.warn(
            f"the column {column!r} of {path} has regions that are no known part of the body, and count as unknown: "
            f"{', '.join(strange[:_LISTED])}{more}.",
            FallbackWarning,
            stacklevel=2,
        )
    return [cell if parts.get(cell) else "" for cell in cells]
