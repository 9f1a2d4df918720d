"""The rows of a CSV or Parquet table, one at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from zsderm.errors import PretrainingDataError
from zsderm.pretrain.data.published_format import Cells


def read_csv(table: Path) -> Iterator[Cells]:
    """The rows of a CSV table in UTF-8.

    Raises:
        PretrainingDataError: it is not UTF-8, or a row has more cells than columns.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file, restkey="", restval=""):
                if "" in row:
                    raise PretrainingDataError(
                        f"{table} has a row with more cells than columns, beginning {next(iter(row.values()))!r:.60}. "
                        "Put captions with commas in quotes."
                    )
                yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise PretrainingDataError(f"Expected {table} to be a CSV table in UTF-8, but {error}.") from error


def read_parquet(table: Path) -> Iterator[Cells]:
    """The rows of a Parquet table.

    Raises:
        PretrainingDataError: it is not one.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        for batch in parquet.ParquetFile(table).iter_batches():
            yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise PretrainingDataError(f"Expected {table} to be a Parquet table, but {error}.") from error
