"""Tables of what patients tell: a story for each image, or for each case that several images show.

A table is read and matched as every other, see `zsderm.table_files` and `zsderm.image_table`: CSV, TSV, JSON Lines or
Parquet, one row for each image or case.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zsderm import image_table
from zsderm.errors import InputError, ZsdermWarning
from zsderm.image_table import IN_ORDER, ImageTable, known_column
from zsderm.stored_json import parse_json
from zsderm.table_files import is_unknown, read_cells
from zsderm.wording import agrees, counted

# The columns that hold the story, the first one that a table has; in upper or lower case, with "_", "-" or a blank.
NARRATIVE_COLUMNS = ("narrative", "story", "patient_narrative", "patient_story", "history", "words")
# The columns that name the case, likewise; the narrowest first: a lesion is of one patient.
CASE_COLUMNS = ("case", "case_id", "lesion", "lesion_id", "group", "patient", "patient_id", "id")


@dataclass(frozen=True, eq=False)
class NarrativeTable:
    """Stories by the name of an image, or by the name of a case.

    Attributes:
        images: the table, whose image column is empty where it names cases alone.
        narratives: R stories, one for each row; empty where nothing is told.
        case_column: the column that names the case; empty where the rows are of images.
    """

    images: ImageTable
    narratives: tuple[str, ...]
    case_column: str = ""

    def of_images(self, images: Sequence[str], cases: Sequence[str] | None = None) -> list[str]:
        """The story that belongs to each image; empty where the table has none.

        Args:
            images: N names, matched as `zsderm.image_names.ImageNames` says.
            cases: N names of the cases that they show, for a table of cases; empty where a case is not known.

        Raises:
            InputError: not one image has a row; an image has several; or the table names cases, and none are given.

        Warns:
            ZsdermWarning: stories are of none of the images.
        """
        if self.case_column:
            if cases is None:
                raise InputError(
                    f"{self.images.path} names cases in its column {self.case_column!r}, but no images. Say with "
                    "--group-by which case each image shows, or add a column image."
                )
            return self.of_cases(cases)
        rows = self.images.row_of(images).tolist()
        used = set(rows)
        self._warn_of_others([row in used for row in range(len(self.narratives))], "images")
        return [self.narratives[row] if row >= 0 else "" for row in rows]

    def of_cases(self, cases: Sequence[str]) -> list[str]:
        """The story that belongs to each case; empty where the table has none, or a case is not known.

        Rows of one case that tell the same count once.

        Args:
            cases: N names; each may come several times.

        Raises:
            InputError: the rows name no cases, not one of the cases has a row, or rows of one case tell different
                things.

        Warns:
            ZsdermWarning: stories are of none of the cases.
        """
        if not self.case_column:
            raise InputError(
                f"expected a column of cases in {self.images.path} ({', '.join(CASE_COLUMNS)}), but it names images in "
                f"the column {self.images.image_column!r}. Name its column of cases, or match it by image."
            )
        told: dict[str, str] = {}
        named = self.images.ids(self.case_column)
        for case, story in zip(named, self.narratives, strict=True):
            if story and told.setdefault(case, story) != story:
                raise InputError(
                    f"expected one narrative for each case in {self.images.path}, but the rows of {case!r} tell "
                    "different things. Put all that is told of this case into one row."
                )
        known = {case for case in named if case}
        asked = {case for case in cases if case}
        if asked and not known & asked:
            one, other = (", ".join(sorted(names)[:2]) or "none" for names in (known, asked))
            raise InputError(
                f"expected {self.images.path} to name the {len(asked)} cases in its column {self.case_column!r}, but "
                f"it names none of them: it names {one}, and the cases are {other}"
            )
        self._warn_of_others([case in asked for case in named], "cases")
        return [told.get(case, "") if case else "" for case in cases]

    def _warn_of_others(self, used: Sequence[bool], what: str) -> None:
        """Say how many stories are of none of what was asked for: names may be misspelt, or missing."""
        stories = [bool(story) for story in self.narratives]
        if others := sum(told and not asked for told, asked in zip(stories, used, strict=True)):
            text = (
                f"{others} of {counted(sum(stories), 'narrative')} in {self.images.path} {agrees(others, 'is', 'are')}"
            )
            warnings.warn(f"{text} of none of the {what}, and left out.", ZsdermWarning, stacklevel=3)


def _is_nested(cell: str) -> bool:
    """Whether a cell holds a list or an object of JSON, and no text."""
    if not cell.startswith(("[", "{")):
        return False
    try:
        parse_json(cell)
    except ValueError:
        return False
    return True


def read_narratives(
    path: str | Path, image_column: str | None = None, case_column: str | None = None
) -> NarrativeTable:
    """Read a table of stories.

    The story stands in the first of `NARRATIVE_COLUMNS` that is there. The rows are of images where a column names
    images (`zsderm.image_table.IMAGE_COLUMNS`); else of cases (`CASE_COLUMNS`). Cells such as "n/a" tell nothing.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file.
        image_column: the column that names the images, or "none" where the rows are in the order of the images.
        case_column: the column that names the cases; the rows are then of cases, whatever else names images.

    Raises:
        InputError: it cannot be read, has no story, names neither images nor cases, or holds a list or an object of
            JSON in the place of a story.
        MissingDependencyError: Parquet without pyarrow.
    """
    path = Path(path)
    frame = read_cells(path)
    column = known_column(frame.columns, NARRATIVE_COLUMNS)
    if not column:
        raise InputError(
            f"expected a column narrative in {path} (or {', '.join(NARRATIVE_COLUMNS[1:])}), but its columns are: "
            f"{', '.join(frame) or 'none'}"
        )
    if case_column is None and image_column is None and not image_table.image_column(frame.columns):
        case_column = known_column(frame.columns, CASE_COLUMNS) or None
    table = (
        ImageTable(path, frame, "")
        if case_column
        else ImageTable.of(path, frame, image_column, required=image_column != IN_ORDER)
    )
    if case_column:
        table.column(case_column)
    cells = table.column(column)
    if nested := next(filter(_is_nested, cells), ""):
        raise InputError(
            f"expected each narrative in {path} to be one text, but its column {column!r} holds {nested:.60}. Join the "
            "parts into one text."
        )
    silent = is_unknown(cells)
    return NarrativeTable(
        table,
        tuple("" if nothing else cell for cell, nothing in zip(cells, silent, strict=True)),
        case_column or "",
    )
