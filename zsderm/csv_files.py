"""CSV files that every reader gives back row by row, and in which a spreadsheet computes nothing.

Names and texts come from anywhere. Three things are done to a text on its way into a file, and undone by `out_of_cell`:

- A text that a spreadsheet would take for a formula (it begins with = + - @, a tab or a carriage return, and is no
  number) gets an apostrophe in front. So does one that begins with an apostrophe and such a character.
- A control character other than tab, line feed and carriage return becomes its picture: escape is U+241B, NUL U+2400.
- What is not valid Unicode, as in file names of old disks, is written as `printable` has it. This alone is not undone.

Lines end with a line feed on every system. Cells with separators, quotes or line breaks are in quotes.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

import pandas as pd

from zsderm.atomic_files import atomic_file
from zsderm.file_names import printable

_BEGINNINGS = "=+\\-@\t\r＝＋－＠"  # with the wide forms of East Asian keyboards, which Excel takes for the same
_FORMULA = re.compile(f"'*[{_BEGINNINGS}]")
_PROTECTED = re.compile(f"'+[{_BEGINNINGS}]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_PICTURE_OF = {code: 0x2400 + code for code in range(32) if code not in b"\t\n\r"} | {127: 0x2421}
_MEANT_BY = {picture: code for code, picture in _PICTURE_OF.items()}
# JSON may hold these as they are, but many programs end a line there, and some terminals obey them.
JSON_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
_CHANGED = re.compile(f"{_PROTECTED.pattern}|[\u2400-\u241f\u2421]")


def into_cell(text: str) -> str:
    """A text as it stands in a cell of a CSV file.

    >>> into_cell("=1+1"), into_cell("-0.5"), into_cell("-.jpg")
    ("'=1+1", '-0.5', "'-.jpg")
    """
    text = printable(text).translate(_PICTURE_OF)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def out_of_cell(cell: str) -> str:
    """The text that `into_cell` has made a cell of.

    >>> out_of_cell("'=1+1"), out_of_cell("it's")
    ('=1+1', "it's")
    """
    return (cell[1:] if _PROTECTED.match(cell) else cell).translate(_MEANT_BY)


def out_of_cells(frame: pd.DataFrame, content: str) -> pd.DataFrame:
    """A table of text cells with every cell as `out_of_cell` gives it.

    Args:
        frame: as it was read.
        content: the file that it was read from; most hold nothing to undo.
    """
    if not _CHANGED.search(content):
        return frame
    return frame.map(out_of_cell)


class CsvRows:
    """Writes rows to an open file.

    Args:
        file: a text file; opened with ``newline=""`` unless it is stdout.
        columns: the header, which is written at once; also the keys of rows that are mappings.
    """

    def __init__(self, file: TextIO, columns: Sequence[str], *, header: bool = True) -> None:
        self._columns = columns
        self._usual = csv.writer(file, lineterminator="\n")
        self._quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        if header:
            self.write(columns)

    def write(self, row: Sequence[object] | Mapping[str, object]) -> None:
        """Write a row; a mapping may lack columns, and what it has beyond them is left out."""
        cells = [row.get(name, "") for name in self._columns] if isinstance(row, Mapping) else row
        texts = [into_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        # Python before 3.13 leaves a lone carriage return without quotes, and readers see a new row there.
        alone = any(isinstance(text, str) and "\r" in text for text in texts)
        (self._quoted if alone else self._usual).writerow(texts)

    def write_all(self, rows: Iterable[Sequence[object] | Mapping[str, object]]) -> None:
        """Write rows."""
        for row in rows:
            self.write(row)


@contextmanager
def csv_file(
    path: str | os.PathLike[str], columns: Sequence[str], *, mark: re.Pattern[bytes] | None = None
) -> Iterator[CsvRows]:
    """A CSV file in UTF-8 that appears when all its rows are written, or not at all; see `atomic_file`."""
    with atomic_file(path, mark=mark) as draft, open_csv(draft) as file:
        yield CsvRows(file, columns)


def open_csv(path: Path, mode: str = "w") -> TextIO:
    """A text file for `CsvRows` or `write_frame`."""
    return cast("TextIO", path.open(mode, encoding="utf-8", newline=""))


def write_frame(frame: pd.DataFrame, file: TextIO, separator: str = ",") -> None:
    """Write a table to an open file, as `CsvRows` writes rows; numbers are written as pandas writes them."""
    table = frame.rename(columns=lambda name: into_cell(str(name)))
    alone = any("\r" in name for name in table.columns)
    for place, kind in enumerate(frame.dtypes):
        if kind.kind not in "biuf":
            cells = [into_cell(cell) if isinstance(cell, str) else cell for cell in frame.iloc[:, place]]
            alone = alone or any(isinstance(cell, str) and "\r" in cell for cell in cells)
            table.isetitem(place, pd.Series(cells, index=table.index, dtype=object))
    quoting = csv.QUOTE_NONNUMERIC if alone else csv.QUOTE_MINIMAL
    table.to_csv(file, index=False, sep=separator, lineterminator="\n", quoting=quoting)


def header_mark(columns: Iterable[str]) -> re.Pattern[bytes]:
    """What a CSV file with these columns begins with. See `atomic_file`."""
    names = b",".join(rb'"?' + re.escape(name.encode()) + rb'"?' for name in columns)
    return re.compile(rb"\A(\xef\xbb\xbf)?" + names + rb"\r?\n")
