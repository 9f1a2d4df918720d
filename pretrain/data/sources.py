"""The records of a source of the configuration, be it a CSV table, a Parquet table or shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from zsderm.errors import PretrainingDataError
from zsderm.pretrain.config import Source, TrainConfig
from zsderm.pretrain.data.captions import Case
from zsderm.pretrain.data.published_format import Cells, captions_of, text_of
from zsderm.pretrain.data.records import Place, Record
from zsderm.pretrain.data.shards import read_shards
from zsderm.pretrain.data.tables import read_csv, read_parquet


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


def read_rows(source: Source, root: Path) -> Iterator[tuple[Cells, Place]]:
    """The rows of a source, each with its place; captions are not checked. Fine labels stand in place of pooled ones.

    Raises:
        PretrainingDataError: if the table or that of the fine labels is missing, cannot be read, has no matching row
            or lacks a column.
    """
    table = root / source.table
    fine = _fine_labels(root / source.fine_labels) if source.fine_labels else None
    sharded = "*" in source.table or table.suffix == ".tar"
    rows = read_shards(source, root) if sharded else _table_rows(table)
    found = 0
    for cells, place in rows:
        if not source.split or cells.get("split") == source.split:
            found += 1
            yield (cells if fine is None else _with_fine_label(cells, fine, place)), place
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
    readers = {".csv": read_csv, ".parquet": read_parquet}
    read = readers.get(table.suffix.lower())
    if read is None:
        raise PretrainingDataError(f"Expected a table .csv or .parquet, or shards .tar, but got {table}.")
    for number, cells in enumerate(read(table), start=2):
        if "filename" not in cells:
            raise PretrainingDataError(f"{table} has no column 'filename'. Its columns: {', '.join(cells)}.")
        yield cells, Place(table, number, str(cells["filename"] or "").strip())


def _fine_labels(table: Path) -> dict[str, str]:
    """The diagnoses that some images have instead of a pooled label, by `image_id`."""
    if not table.is_file():
        raise PretrainingDataError(f"There is no table {table}. Set the data folder with --data-root.")
    fine = {}
    for cells in read_csv(table):
        if missing := [name for name in ("image_id", "fine_label") if name not in cells]:
            raise PretrainingDataError(f"{table} has no column '{missing[0]}'. Its columns: {', '.join(cells)}.")
        fine[str(cells["image_id"])] = text_of(cells["fine_label"])
    return fine


def _with_fine_label(cells: Cells, fine: Mapping[str, str], place: Place) -> Cells:
    if "image_id" not in cells:
        raise PretrainingDataError(
            f"{place.table} has no column 'image_id', by which `fine_labels` names its images. "
            f"Its columns: {', '.join(cells)}."
        )
    label = fine.get(str(cells["image_id"]))
    return {**cells, "label": label} if label else cells


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
