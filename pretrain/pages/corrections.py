"""Corrections from the contact sheet: struck-out pictures, corrected captions and modalities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zsderm.errors import InputError
from zsderm.pretrain.pages.modality import MODALITIES
from zsderm.table_files import read_cells

COLUMNS = ("filename", "caption", "modality", "keep")


@dataclass(frozen=True)
class Correction:
    """The correction of one picture; an empty caption or modality leaves the old value."""

    filename: str
    caption: str
    modality: str
    keep: bool


def read_corrections(path: Path) -> list[Correction]:
    """Read the table that was downloaded from the contact sheet.

    Args:
        path: .csv with the columns filename, caption, modality and keep (yes or no).

    Raises:
        InputError: the table cannot be read, lacks a column, or has an invalid value.
    """
    frame = read_cells(path)
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise InputError(
            f"expected the columns {', '.join(COLUMNS)} in {path}, but {missing[0]!r} is missing. Download "
            "the corrections with the button on the contact sheet."
        )
    found = []
    for row, cells in enumerate(zip(*(frame[name] for name in COLUMNS), strict=True), 2):
        filename, caption, modality, keep = (str(cell).strip() for cell in cells)
        if keep not in ("yes", "no") or modality not in ("", *MODALITIES):
            raise InputError(
                f"expected keep to be yes or no, and modality to be empty or one of {', '.join(MODALITIES)}, in row "
                f"{row} of {path}, but they are {keep!r} and {modality!r}."
            )
        found.append(Correction(filename, " ".join(caption.split()), modality, keep == "yes"))
    return found
