"""The rows of a table, read by the reader that all commands share: cells are text, one row at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from zsderm.errors import InputError, PretrainingDataError
from zsderm.image_table import ImageTable
from zsderm.pretrain.data.published_format import Cells
from zsderm.table_files import read_cells

SUFFIXES = (".csv", ".parquet", ".tsv", ".jsonl")


def read_table(table: Path) -> pd.DataFrame:
    """A table whose cells are text, as `zsderm.table_files.read_cells` reads it.

    Raises:
        PretrainingDataError: there is none, it has another suffix, or it cannot be read.
    """
    if not table.is_file():
        raise PretrainingDataError(f"There is no table {table}. Set the data folder with --data-root.")
    if table.suffix.lower() not in SUFFIXES:
        raise PretrainingDataError(f"Expected a table {' or '.join(SUFFIXES)}, or shards .tar, but got {table}.")
    try:
        return read_cells(table)
    except InputError as error:
        if not isinstance(error.__cause__, pd.errors.ParserError | pd.errors.ParserWarning):
            raise PretrainingDataError(str(error)) from error
        raise PretrainingDataError(
            f"{table} has a row with more cells than columns, or a quote that is not closed: "
            f"{' '.join(str(error.__cause__).split())}. Put captions with commas in quotes."
        ) from error


def image_rows(table: Path, image_column: str = "") -> Iterator[tuple[Cells, str]]:
    """The rows of a table, each with the name of its image.

    Args:
        table: a table as `read_table` takes it.
        image_column: the column that names the images; empty: the first of `zsderm.image_table.IMAGE_COLUMNS`.

    Raises:
        PretrainingDataError: as `read_table`, or no column names the images.
    """
    frame = read_table(table)
    try:
        names = ImageTable.of(table, frame, image_column or None).names
    except InputError as error:
        raise PretrainingDataError(str(error)) from error
    columns = list(frame)
    for name, *cells in zip(names, *(frame[column] for column in columns), strict=True):
        yield dict(zip(columns, cells, strict=True)), name
