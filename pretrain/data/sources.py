"""The records of a source of the configuration, be it a CSV table, a Parquet table or shards."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from zsderm.errors import PretrainingDataError
from zsderm.image_table import image_column
from zsderm.images import find_classes
from zsderm.modalities import modality_of
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.captions import Case
from zsderm.pretrain.data.image_files import ImageFiles
from zsderm.pretrain.data.published_format import Cells, captions_of, text_of
from zsderm.pretrain.data.records import Place, Record
from zsderm.pretrain.data.shards import read_shards
from zsderm.pretrain.data.tables import image_rows, read_table
from zsderm.pretrain.run_settings import RunSettings

log = logging.getLogger(__name__)
OLDEST = 130  # years; an age beyond that is none


def read_records(config: RunSettings, root: Path) -> list[Record]:
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
    """The records of one table, without the rows that have no image; how many these are is logged.

    Args:
        source: which table, which rows, which columns carry which fact.
        root: the data folder that `source.table` is relative to.

    Raises:
        PretrainingDataError: if the table is missing, has no matching row, lacks a column, contradicts itself, or most
            of its rows have no image.
    """
    records: list[Record] = []
    flaws: list[str] = []
    for cells, place in read_rows(source, root):
        if place.flaw:
            flaws.append(f"{place}: {place.flaw}")
        else:
            records.append(record_of(cells, place, source))
    if flaws:
        said = f"{len(flaws)} of {len(flaws) + len(records)} rows of {source.table} have no image to train with"
        if len(flaws) > len(records):
            raise PretrainingDataError(f"{said}. {flaws[0]}. See them all with: zsderm pretrain validate")
        log.warning("%s, and are left out. %s", said, flaws[0])
    return records


def read_rows(source: Source, root: Path) -> Iterator[tuple[Cells, Place]]:
    """The rows of a source, each with its place; captions are not checked. Fine labels stand in place of pooled ones.

    Raises:
        PretrainingDataError: if the table or that of the fine labels is missing, cannot be read, has no matching row
            or lacks a column.
    """
    table = root / source.table
    fine = _fine_labels(root / source.fine_labels) if source.fine_labels else None
    sharded = "*" in source.table or table.suffix.lower() == ".tar"
    if table.is_dir():
        rows = _folder_rows(table)
    else:
        rows = read_shards(source, root) if sharded else _table_rows(table, source.image_column)
    found = 0
    for cells, place in rows:
        if place.flaw and not cells:  # a sample without words belongs to no split
            found += 1
            yield cells, place
        elif not source.split or str(cells.get("split", "")).strip() == source.split:
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
        column = source.image_column or image_column(cells) or "filename"
        raise PretrainingDataError(f"{place}: the cell {column!r} is empty. Name the image.")
    record = Record(place.image, source.weight, span=place.span, table=source.table)
    if "label" in cells:
        return replace(record, case=_case_of(cells, source, place))
    texts, problems = captions_of(cells)
    if problems:
        raise PretrainingDataError(f"{place}: {problems[0]}")
    return replace(record, captions=texts)


def _table_rows(table: Path, image_column: str) -> Iterator[tuple[Cells, Place]]:
    files = ImageFiles(table.parent)
    for number, (cells, name) in enumerate(image_rows(table, image_column), start=2):
        file, flaw = files.find(name) if name else (None, "")
        yield cells, Place(table, number, name, file=file, flaw=flaw)


def _folder_rows(folder: Path) -> Iterator[tuple[Cells, Place]]:
    """The photographs of a folder whose sub-folders are the classes, as rows of a labelled table."""
    for label, files in find_classes(folder).items():
        for number, file in enumerate(files, start=1):
            name = str(file.relative_to(folder))
            yield {"filename": name, "label": label}, Place(folder, number, name, file=file)


def _fine_labels(table: Path) -> dict[str, str]:
    """The diagnoses that some images have instead of a pooled label, by `image_id`."""
    frame = read_table(table)
    if missing := [name for name in ("image_id", "fine_label") if name not in frame]:
        raise PretrainingDataError(f"{table} has no column '{missing[0]}'. Its columns: {', '.join(frame)}.")
    return {key.strip(): text_of(label) for key, label in zip(frame["image_id"], frame["fine_label"], strict=True)}


def _with_fine_label(cells: Cells, fine: Mapping[str, str], place: Place) -> Cells:
    if "image_id" not in cells:
        raise PretrainingDataError(
            f"{place.table} has no column 'image_id', by which `fine_labels` names its images. "
            f"Its columns: {', '.join(cells)}."
        )
    label = fine.get(str(cells["image_id"]).strip())
    return {**cells, "label": label} if label else cells


def _case_of(cells: Cells, source: Source, place: Place) -> Case:
    for column in (*source.columns.values(), *source.signs):
        if column not in cells:
            raise PretrainingDataError(f"{place.table} has no column '{column}'. Its columns: {', '.join(cells)}.")
    label = " ".join(str(cells["label"] if cells["label"] is not None else "").split())
    if not label:
        raise PretrainingDataError(f"{place}: the cell 'label' is empty. Name the diagnosis, or leave the row out.")
    facts = {fact: text_of(cells[column]).lower() for fact, column in source.columns.items()}
    return Case(
        label=label,
        modality=modality_of(text_of(cells.get("modality"))) or source.modality,
        site=facts.get("site", ""),
        age=_age(facts.get("age", ""), place),
        sex={"male": "man", "female": "woman"}.get(facts.get("sex", ""), ""),
        signs=tuple(
            verb for column, verb in source.signs.items() if text_of(cells[column]).lower() in ("true", "yes", "1")
        ),
    )


def _age(cell: str, place: Place) -> int:
    """Whole years; 0 where the cell is empty."""
    try:
        years = float(cell.replace(",", ".") or 0)
    except ValueError:
        years = math.nan
    if not 0 <= years <= OLDEST:
        raise PretrainingDataError(f"{place}: expected an age in years, but got {cell!r}.")
    return int(years)
