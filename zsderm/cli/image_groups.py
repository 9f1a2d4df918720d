"""Which photographs show the same lesion or patient: by a column of a table, or by the folder that they lie in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from zsderm.errors import SettingsError
from zsderm.image_table import PATIENT_COLUMNS, ImageTable, known_column
from zsderm.long_tables import as_wide

FOLDER = "folder"  # the word for the folder that an image lies in
IMAGES = "none"  # the word for no column of patients: intervals draw images


def read_groups(images: Sequence[str], by: str, table: Path | None, image_column: str | None) -> list[str]:
    """The group of each image.

    Args:
        images: N names.
        by: a column, or "folder" where no table has such a column.
        table: a file with an image column and the column; None where there is only the folder to go by.
        image_column: the column that names the images, if the table has it.

    Raises:
        InputError: the table does not fit; see `ImageTable.beside`.
        SettingsError: a column without a table.
    """
    if table is None:
        return groups_of(images, by, None)
    return groups_of(images, by, as_wide(ImageTable.read_another(table, image_column)).beside(images))


def groups_of(images: Sequence[str], by: str, table: ImageTable | None) -> list[str]:
    """The group of each image, as text; empty where the table says nothing, "unknown" or the like.

    Images that are named without a folder lie in one, that of the command: ".".

    Args:
        images: N names.
        by: see `read_groups`.
        table: N rows, those of the images.

    Raises:
        InputError: there is no such column.
        SettingsError: a column without a table.
    """
    if by == FOLDER and (table is None or FOLDER not in table.frame.columns):
        return [str(PurePosixPath(image.replace("\\", "/")).parent) for image in images]  # "." where none is named
    if table is None:
        raise SettingsError(
            f"expected a table with the column {by!r}: name it with --group-table, or group by {FOLDER}"
        )
    return table.ids(by)


def drawn_column(table: ImageTable, named: str | None) -> str:
    """The column of the patients or lesions that intervals draw; empty where they draw images.

    Args:
        table: with an image in each row.
        named: by the user, or "none"; None: one of `PATIENT_COLUMNS`, if the table has one that says anything.

    Raises:
        InputError: there is no column of that name.
    """
    if named == IMAGES and IMAGES not in table.frame.columns:
        return ""
    column = named or known_column(table.frame.columns, PATIENT_COLUMNS)
    return column if column and (any(table.ids(column)) or named) else ""
