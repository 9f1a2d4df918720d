"""Tables of images: labelled ones, and ones in the published MAKE format, from CSV, Parquet or shards.

A labelled table has a column `label` and any facts; its captions are written later. A table of the published format has
the captions themselves (see `published_format`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zsderm.errors import PretrainingDataError

from .captions import Case
from .config import Source, TrainConfig
from .published_format import Cells, captions_of, text_of

TABLE_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class Record:
    """One image of a table: a case to write captions for, or captions as found.

    Attributes:
        path: the image file, or the shard that holds it.
        weight: how often it is drawn, relative to the others.
        case: facts to write captions from; None where there are captions.
        captions: `CAPTIONS_PER_IMAGE` texts, empty where there is none; or nothing, for a labelled image.
        span: first byte and number of bytes of the image inside a shard; None for a file of its own.
    """

    path: Path
    weight: float
    case: Case | None = None
    captions: tuple[str, ...] = ()
    span: tuple[int, int] | None = None


def read_records(config: TrainConfig, root: Path) -> list[Record]:
    """The records of all tables, without the labels that the configuration leaves out.

    Args:
        config: tables and labels to leave out.
        root: the data folder that the tables are relative to.

    Raises:
        PretrainingDataError: if a table cannot be read, or a label to leave out occurs in none of them.
    """
    records = [record for source in config.train for record in read_source(source, root)]
    labels = {record.case.label for record in records if record.case}
    if unknown := sorted(set(config.leave_out) - labels):
        raise PretrainingDataError(
            f"Setting `leave_out` names {', '.join(unknown)}, but no table has that label. "
            f"The labels are: {', '.join(sorted(labels))}."
        )
    return [record for record in records if not (record.case and record.case.label in config.leave_out)]


def read_source(source: Source, root: Path) -> list[Record]:
    """The records of one table.

    Args:
        source: which table, which rows, which columns carry which fact.
        root: the data folder that `source.table` is relative to.

    Raises:
        PretrainingDataError: if the table is missing, has no matching row, lacks a column or contradicts itself.
    """
    return [record_of(cells, place, source) for cells, place in read_rows(source, root)]


@dataclass(frozen=True)
class Place:
    """Where a row stands.

    Attributes:
        table: the table, or the shard.
        row: number of the row as a spreadsheet counts (the header is row 1); number of the sample in a shard, from 1.
        filename: the image, relative to the table, or its name in the shard; empty where the cell is.
        span: first byte and number of bytes of the image inside a shard; None for a file of its own.
    """

    table: Path
    row: int
    filename: str
    span: tuple[int, int] | None = None

    @property
    def image(self) -> Path:
        """The file that holds the image."""
        return self.table if self.span else self.table.parent / self.filename

    def __str__(self) -> str:
        return f"{self.table}, row {self.row}"


def read_rows(source: Source, root: Path) -> Iterator[tuple[Cells, Place]]:
    """The rows of a source and where each stands, without a look at their captions.

    Raises:
        PretrainingDataError: if the table is missing, cannot be read, has no matching row or no image column.
    """
    table = root / source.table
    if "*" in source.table or table.suffix == ".tar":
        from .shards import read_shards

        rows = read_shards(source, root)
    else:
        rows = _table_rows(table)
    found = 0
    for cells, place in rows:
        if not source.split or cells.get("split") == source.split:
            found += 1
            yield cells, place
    if not found:
        wanted = f"no row with split '{source.split}'" if source.split else "no rows"
        raise PretrainingDataError(f"{table} has {wanted}.")


def record_of(cells: Cells, place: Place, source: Source) -> Record:
    """One row as a record.

    Raises:
        PretrainingDataError: if a column is missing or the row contradicts itself.
    """
    if not place.filename:
        raise PretrainingDataError(f"{place}: the cell 'filename' is empty. Name the image.")
    if "label" in cells:
        return Record(place.image, source.weight, case=_case_of(cells, source, place), span=place.span)
    texts, problems = captions_of(cells)
    if problems:
        raise PretrainingDataError(f"{place}: {problems[0]}")
    return Record(place.image, source.weight, captions=texts, span=place.span)


def _table_rows(table: Path) -> Iterator[tuple[Cells, Place]]:
    if not table.is_file():
        raise PretrainingDataError(f"There is no table {table}. Set the data folder with --data-root.")
    if table.suffix.lower() not in TABLE_SUFFIXES:
        raise PretrainingDataError(f"Expected a table .csv or .parquet, or shards .tar, but got {table}.")
    for number, cells in enumerate(_parquet(table) if table.suffix.lower() == ".parquet" else _csv(table), start=2):
        if "filename" not in cells:
            raise PretrainingDataError(f"{table} has no column 'filename'. Its columns: {', '.join(cells)}.")
        yield cells, Place(table, number, str(cells["filename"] or "").strip())


def _csv(table: Path) -> Iterator[Cells]:
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


def _parquet(table: Path) -> Iterator[Cells]:
    import pyarrow
    from pyarrow import parquet

    try:
        for batch in parquet.ParquetFile(table).iter_batches():
            yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise PretrainingDataError(f"Expected {table} to be a Parquet table, but {error}.") from error


def _case_of(cells: Cells, source: Source, place: Place) -> Case:
    for column in (*source.columns.values(), *source.signs):
        if column not in cells:
            raise PretrainingDataError(f"{place.table} has no column '{column}'. Its columns: {', '.join(cells)}.")
    facts = {fact: text_of(cells[column]).lower() for fact, column in source.columns.items()}
    site = facts.get("site", "")
    try:
        age = int(float(facts.get("age") or 0))
    except ValueError as error:
        raise PretrainingDataError(f"{place}: expected an age in years, but got {facts['age']!r}.") from error
    return Case(
        label=str(cells["label"]),
        modality=source.modality,
        site="" if site == "unknown" else site,
        age=age,
        sex={"male": "man", "female": "woman"}.get(facts.get("sex", ""), ""),
        signs=tuple(
            verb for column, verb in source.signs.items() if text_of(cells[column]).lower() in ("true", "yes", "1")
        ),
    )
