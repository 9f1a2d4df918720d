"""The rows of a CSV file of any program: which separator it has, and whether its quotes are closed.

A quote that is opened and never closed takes the rows after it into one cell, up to the next quote of the file. Where
that shows, the file is refused, or a warning says where to look.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from itertools import islice
from pathlib import Path

import pandas as pd

from zsderm.csv_files import out_of_cells
from zsderm.errors import FallbackWarning

_SEPARATORS = "\t;,|"  # of two that fit alike the first: a comma may stand in a number
_LOOKED_AT = 50  # lines that say which separator a file has
_LONGEST_CELL = 2**31 - 1  # Python's own limit are 131 072 characters


def csv_cells(text: str, path: Path) -> tuple[list[str], pd.DataFrame]:
    """The columns and the rows of a CSV file; every cell is text, one that is missing is empty.

    Args:
        text: what the file holds.
        path: its name, for a warning.

    Raises:
        ValueError: a row has more cells than the header, or a quote is not closed.
    """
    text, separator = _without_hint(text)
    separator = separator or _separator(text)
    _check_quotes(text, separator, path)
    cells = pd.read_csv(
        StringIO(text.lstrip("\r\n")),
        header=None,  # pandas would rename a column that stands there twice
        dtype=str,
        keep_default_na=False,
        sep=separator,
        skipinitialspace=True,
        skip_blank_lines=separator in text,  # in a single column an empty line is an empty cell
        engine="c",
    ).fillna("")  # rows that end early
    cells = out_of_cells(cells, text)
    filled = (cells != "").any(axis=1).to_numpy().nonzero()[0]
    rows = cells[1 : int(filled.max(initial=0)) + 1]  # spreadsheets leave rows of separators at the end
    return cells.iloc[0].tolist(), rows.reset_index(drop=True)


def _without_hint(text: str) -> tuple[str, str]:
    """The text without the line "sep=;" that Excel puts before the header, and the separator that it names."""
    found = re.match(r'"?sep=(.)"?[ \t]*\r?\n', text)
    return (text, "") if found is None else (text[found.end() :], found[1])


def _separator(text: str) -> str:
    """The separator that gives most of the first rows as many cells as the header has; a comma if none gives several.

    Of those that fit alike, the one with most cells.
    """
    start = list(islice(StringIO(text, newline=None), _LOOKED_AT))
    best = max(_SEPARATORS, key=lambda separator: _fit(start, separator))
    return best if _fit(start, best)[0] else ","


def _fit(lines: Sequence[str], separator: str) -> tuple[float, int]:
    """The share of rows that are as long as the header, if it has several cells; and how long that is."""
    with _cells_of_any_length():
        rows = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]
    width = len(rows[0]) if rows else 0
    return (sum(len(row) == width for row in rows) / len(rows) if width > 1 else 0.0), width


def _check_quotes(text: str, separator: str, path: Path) -> None:
    """Refuse a row that goes over several lines because of a quote too many, and warn where it may be so.

    Raises:
        ValueError: something stands behind the quote that ends such a cell, or its row is shorter than the header.
    """
    hint, doubtful = "close the quote, or double it where it is part of a text", []
    for start, lines, width in _rows_of_several_lines(text, separator):
        span = f"lines {start} to {start + len(lines) - 1}"
        try:
            (row,) = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
        except csv.Error as error:
            raise ValueError(f"a quote takes {span} into one cell; {hint}") from error
        if len(row) < width:
            raise ValueError(f"a quote takes {span} into one row of {len(row)} cells, the header has {width}; {hint}")
        if width > 1 and all(line.count(separator) == width - 1 for line in lines):
            doubtful.append(span)
    if doubtful:
        more = f" ({len(doubtful)} such rows)" if len(doubtful) > 1 else ""
        warnings.warn(
            f"{path}: {doubtful[0]} are one row{more}, because a cell in quotes goes on over the end of its line. If "
            f"they are rows of their own, {hint}.",
            FallbackWarning,
            stacklevel=2,
        )


def _rows_of_several_lines(text: str, separator: str) -> Iterator[tuple[int, list[str], int]]:
    """The number of the first line of each such row, its lines, and how many cells the header has."""
    lines = list(StringIO(text, newline=None)) if '"' in text else []
    if not any(line.count('"') % 2 for line in lines):
        return
    with _cells_of_any_length():
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        before = width = 0
        for row in reader:
            width = width or len(row)
            if reader.line_num > before + 1:
                yield before + 1, lines[before : reader.line_num], width
            before = reader.line_num


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    usual = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(usual)
