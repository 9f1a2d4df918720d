"""A table of answers to a questionnaire becomes a table of stories, one for each image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from zsderm.errors import InputError
from zsderm.image_table import LABEL_COLUMNS, ImageTable, known_column
from zsderm.narratives.patient import ANSWERS, CASE, COLUMNS, stories_of
from zsderm.table_files import is_unknown

SOURCE = "patient"  # the answers are those of patients; the words around them are not
PATIENT_COLUMNS, LESION_COLUMNS, SPLIT_COLUMNS = ("patient_id", "patient"), ("lesion_id", "lesion"), ("split",)


def patient_stories(path: Path, seed: int = 0, image_column: str | None = None) -> pd.DataFrame:
    """The stories of a table of answers, such as that of PAD-UFES-20.

    Only `zsderm.narratives.patient.COLUMNS` go into the stories. The photographs of one lesion get one story, where
    columns of patients and lesions say which they are.

    Args:
        path: CSV, JSON Lines or Parquet with a column of images and at least one of `ANSWERS`.
        seed: of the words.
        image_column: the column that names the images; None: the first usual one.

    Returns:
        One row for each image, in the order of the table: image, case, narrative, source; known, told and unknown
        (answers that the table has, that the story tells, and of which it says that they are not known); and, where the
        table has them, label, split and patient_id.

    Raises:
        InputError: the table cannot be read, names no images or one twice, or has no answers; or a cell is no answer.
    """
    table = ImageTable.read(path, image_column)
    _check_names(table)
    found = {name: known_column(table.frame.columns, (name,)) for name in COLUMNS}
    if not any(found[answer] for answer in ANSWERS):
        raise InputError(
            f"expected answers of patients in {path} (columns {', '.join(ANSWERS)}), but its columns are: "
            f"{', '.join(table.frame)}"
        )
    read = {name: table.column(column) for name, column in found.items() if column}
    cases = _cases(table)
    rows = [dict(zip(read, cells, strict=True)) for cells in zip(*read.values(), strict=True)]
    named = [{**row, CASE: case or image} for row, case, image in zip(rows, cases, table.names, strict=True)]
    stories = stories_of(named, seed)
    columns = {
        "image": table.names,
        CASE: cases,
        "narrative": [story.text for story in stories],
        "source": [SOURCE] * len(stories),
        "known": _known(read, len(stories)),
        "told": [" ".join(story.told) for story in stories],
        "unknown": [" ".join(story.unknown) for story in stories],
    }
    for name, usual in (("label", LABEL_COLUMNS), ("split", SPLIT_COLUMNS), ("patient_id", PATIENT_COLUMNS)):
        if column := known_column(table.frame.columns, usual):
            columns[name] = table.column(column)
    return pd.DataFrame(columns)


def _check_names(table: ImageTable) -> None:
    """Refuse what would be no story, or two for one image.

    Raises:
        InputError: there are no rows, or a row names no image, or one that another row names.
    """
    if not table.names:
        raise InputError(f"expected rows in {table.path}, but it has none below its header")
    for number, name in enumerate(table.names, start=1):
        if not name:
            raise InputError(f"expected every row of {table.path} to name an image, but row {number} does not")
    if twice := [name for name, count in Counter(table.names).items() if count > 1]:
        raise InputError(f"expected one row for each image in {table.path}, but {twice[0]!r} has several")


def _cases(table: ImageTable) -> list[str]:
    """The lesion of each row, with its patient: numbers of lesions may begin again with each patient."""
    parts = [known_column(table.frame.columns, usual) for usual in (PATIENT_COLUMNS, LESION_COLUMNS)]
    if not parts[1]:
        return [""] * len(table.frame)
    columns = [table.ids(part) for part in parts if part]
    return [" ".join(filter(None, ids)) if ids[-1] else "" for ids in zip(*columns, strict=True)]


def _known(read: dict[str, list[str]], count: int) -> list[str]:
    silent = {answer: is_unknown(read[answer]) for answer in ANSWERS if answer in read}
    return [" ".join(answer for answer, cells in silent.items() if not cells[row]) for row in range(count)]
