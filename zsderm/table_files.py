"""Tables from files, as text (a cell is what stands in the file until somebody asks for a number), and into files.

Patient 007 stays "007", class 01 stays "01", and a name such as "NA" or "0e1" is neither a gap nor a number.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import re
import stat
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm.atomic_files import atomic_file
from zsderm.csv_files import JSON_ESCAPES, open_csv, write_frame
from zsderm.csv_tables import csv_cells
from zsderm.errors import FallbackWarning, InputError, MissingDependencyError, SettingsError
from zsderm.optional_packages import requires
from zsderm.stored_json import once, parse_json

# What people write for "not known", in lower case. Never used for classes: a class may be called "none".
UNKNOWN_WORDS = frozenset(
    {"", "nan", "na", "n/a", "#n/a", "<na>", "nat", "none", "null", "unk", "unknown", "missing", "-", "?"}
)
FACTS_KEY = b"zsderm"  # of the metadata of a Parquet file
_LARGEST = 2**30  # bytes of a file; as text in memory a table takes several times as much
_TOO_LARGE = f"it is larger than {_LARGEST >> 20} MiB; take it apart"
_NO_JSON_TABLE = "it is one JSON value; write one object a line into a .jsonl file: jq -c '.[]' FILE.json > FILE.jsonl"
_OTHER_FILES = {
    b"\x1f\x8b": "is compressed",
    b"PK\x03\x04": "is a spreadsheet or an archive",
    b"\xd0\xcf": "is a spreadsheet",
}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)
_STREAMED = 8192  # rows read at a time
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # how pandas stores row numbers in Parquet


def read_cells(path: Path) -> pd.DataFrame:
    """A table from CSV, JSON Lines or Parquet, by the file's suffix; every cell is text, a missing one is empty.

    CSV may be separated by comma, semicolon, tab or "|", and written in UTF-8 or UTF-16. What is not UTF-8 is read as
    Windows-1252, with a warning. Column names lose blanks around them; empty rows at the end of CSV are
    left out.

    Raises:
        InputError: the file cannot be read as what its suffix says, or it is a device, a folder or larger than 1 GiB.
        MissingDependencyError: Parquet without pyarrow.
    """
    readers = {".parquet": _parquet, ".jsonl": _json_lines, ".ndjson": _json_lines}
    try:
        _check_regular(path)
        names, table = readers.get(path.suffix.lower(), _csv)(path)
    except (ValueError, OSError, RecursionError) as error:  # the errors of pandas and pyarrow are ValueErrors
        if isinstance(error, InputError):
            raise
        kind = "table (.csv, .jsonl or .parquet)"
        raise InputError(f"expected a {kind} in {path}, but cannot read it: {' '.join(str(error).split())}") from error
    named = [plain(name) or f"column {number}" for number, name in enumerate(names, start=1)]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise InputError(f"expected every column of {path} once, but {', '.join(twice)} stands there twice")
    table.columns = pd.Index(named, dtype=object)
    return table


def plain(text: str) -> str:
    """A text in the one form that compares: without blanks around it, accents joined to their letters (NFC)."""
    return unicodedata.normalize("NFC", text.strip())


def is_unknown(cells: Iterable[str]) -> NDArray[np.bool_]:
    """(N,) bool, which cells are empty or one of `UNKNOWN_WORDS`."""
    return np.array([cell.strip().lower() in UNKNOWN_WORDS for cell in cells], dtype=bool)


def numbers(cells: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The numbers in a column of text. "0,25" is read as 0.25.

    Returns:
        (N,) float64, NaN where there is no number; and (N,) bool, which cells hold something that is no number, and
        are not just empty or unknown.
    """
    column = pd.Series(cells, dtype=object).astype(str).str.strip()
    values = pd.to_numeric(column, errors="coerce")
    commas = np.array([bool(_DECIMAL_COMMA.fullmatch(cell)) for cell in column], dtype=bool) & values.isna().to_numpy()
    if commas.any():
        values = values.where(~commas, pd.to_numeric(column.str.replace(",", "."), errors="coerce"))
    found = values.to_numpy(dtype=np.float64)
    return found, np.isnan(found) & ~is_unknown(column)


def whole_numbers(cells: Sequence[str]) -> list[str]:
    """The cells, without the ".0" that a program gives to whole numbers in a column with gaps; only if all have it."""
    known = [cell for cell in cells if cell]
    return [cell.removesuffix(".0") for cell in cells] if all(re.fullmatch(r"-?\d+\.0", c) for c in known) else [*cells]


def write_csv(frame: pd.DataFrame, path: Path, separator: str = ",") -> None:
    """Write a table as CSV in UTF-8; the file is replaced whole or not at all."""
    with atomic_file(path) as draft, open_csv(draft) as file:
        write_frame(frame, file, separator)


def write_json_lines(frame: pd.DataFrame, path: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write a table as one JSON object a line, NaN as null; the file is replaced whole or not at all.

    Args:
        frame: rows.
        path: the file.
        facts: what holds for all rows (``classes``, ``manifest``); the first line has it beside its cells.
    """
    rows = frame.to_dict(orient="records")
    with atomic_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as lines:
        for number, row in enumerate(rows):
            cleaned = {str(name): None if value is pd.NA or value is pd.NaT else value for name, value in row.items()}
            lines.write(json_text(cleaned if number else {**cleaned, **(facts or {})}) + "\n")


def write_parquet(frame: pd.DataFrame, path: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write a table as Parquet; the file is replaced whole or not at all.

    Args:
        frame: rows.
        path: the file.
        facts: what holds for all rows; it stands as JSON in the metadata of the file, under the key ``zsderm``.

    Raises:
        MissingDependencyError: without pyarrow.
    """
    if find_spec("pyarrow") is None:
        raise MissingDependencyError("writing Parquet needs pyarrow. Install it with: pip install pyarrow")
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pandas(frame, preserve_index=False)
    if facts is not None:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), FACTS_KEY: json_text(facts).encode()})
    with atomic_file(path) as draft:
        parquet.write_table(table, draft)


def check_suffix(path: str | os.PathLike[str], *suffixes: str) -> None:
    """Refuse a name whose suffix says another format than that which is written; one without a suffix says none.

    Raises:
        SettingsError: the suffix is none of these, in any case of letters.
    """
    if PurePath(path).suffix.lower() not in ("", *suffixes):
        raise SettingsError(
            f"Expected a file name ending in {' or '.join(suffixes)}, for that is what is written, but got '{path}'. "
            "Rename the output file."
        )


def write_table(
    frame: pd.DataFrame,
    path: Path,
    facts: Mapping[str, Any] | None = None,
    nested: Mapping[str, Sequence[object]] | None = None,
) -> None:
    """Write a table in the format that the suffix names: .csv, .jsonl or .parquet; without facts .tsv as well.

    Args:
        frame: rows.
        path: the file.
        facts: what holds for all rows; CSV has no place for it, see `zsderm.manifest_files`.
        nested: more columns, with lists and mappings in their cells, for JSON Lines alone.

    Raises:
        SettingsError: another suffix, or a place that cannot be written.
    """
    writers: dict[str, Callable[[], None]]
    writers = {
        ".csv": lambda: write_csv(frame, path),
        ".jsonl": lambda: write_json_lines(frame.assign(**(nested or {})), path, facts),
        ".parquet": lambda: write_parquet(frame, path, facts),
    }
    if facts is None:  # there is no place for them in it, and no manifest beside it
        writers[".tsv"] = lambda: write_csv(frame, path, "\t")
    if path.suffix.lower() not in writers:
        raise SettingsError(
            f"Expected a file name ending in {', '.join(writers)}, but got '{path}'. Rename the output file."
        )
    writers[path.suffix.lower()]()


def _csv(path: Path) -> tuple[list[str], pd.DataFrame]:
    text = _text(path)
    if path.suffix.lower() == ".json":
        raise ValueError(_NO_JSON_TABLE)
    return csv_cells(text, path)


def _check_regular(path: Path) -> None:
    """Refuse what may never end: devices, and files larger than any table. A pipe may hold a table."""
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        raise ValueError("it is no regular file")
    if status.st_size > _LARGEST:
        raise ValueError(_TOO_LARGE)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:  # of a pipe, or a file that grew
        raise ValueError(_TOO_LARGE)
    if what := next((what for start, what in _OTHER_FILES.items() if content.startswith(start)), ""):
        raise ValueError(f"it {what}; save it as CSV in UTF-8")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            warnings.warn(f"{path} is not UTF-8; it is read as Windows-1252.", FallbackWarning, stacklevel=2)
            text = content.decode("cp1252")
    if "\0" in text:
        raise ValueError(f"line {text[: text.index(chr(0))].count(chr(10)) + 1} is no text; save it as UTF-8")
    return text


def _json_lines(path: Path) -> tuple[list[str], pd.DataFrame]:
    text = _text(path)  # of which only "\n" ends a line: a text in it may hold other line breaks
    lines = {number: line for number, line in enumerate(text.split("\n"), start=1) if line.strip()}
    if next(iter(lines.values()), "").lstrip().startswith("["):
        raise ValueError(_NO_JSON_TABLE)
    rows = [_row(number, line) for number, line in lines.items()]
    if rows and isinstance(rows[0].get("classes"), list) and isinstance(rows[0].get("manifest"), dict):
        rows[0] = {name: value for name, value in rows[0].items() if name not in ("classes", "manifest")}  # facts
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, pd.DataFrame({name: [_cell(row.get(name)) for row in rows] for name in names}, dtype=object)


def _row(number: int, line: str) -> dict[str, Any]:
    """The JSON object in one line.

    Raises:
        ValueError: it is none, or one name stands in it twice.
    """
    try:
        row = parse_json(line, parse_float=str, parse_int=str, parse_constant=_constant, object_pairs_hook=once)
    except ValueError as error:
        raise ValueError(f"line {number} is no JSON object: {getattr(error, 'msg', error)}") from error
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is no JSON object")
    return row


def _constant(name: str) -> str | None:
    """NaN, which JSON does not know and many write, is no value."""
    return None if name == "NaN" else name


def _parquet(path: Path) -> tuple[list[str], pd.DataFrame]:
    with requires("pyarrow", "reading Parquet"):
        from pyarrow import parquet

    table = parquet.ParquetFile(path).read()  # this file alone: its folder may be called like a column (split=train)
    kept = [number for number, name in enumerate(table.column_names) if not _PANDAS_INDEX.fullmatch(name)]
    columns = {number: [_cell(value) for value in table.column(number).to_pylist()] for number in kept}
    return [table.column_names[number] for number in kept], pd.DataFrame(columns, dtype=object)


def parquet_columns(source: BinaryIO, shown: str) -> pd.DataFrame:
    """The columns of a Parquet file, without rows.

    Args:
        source: the open file.
        shown: what the file is called in messages.

    Raises:
        InputError: it is no Parquet file.
    """
    with _reading_parquet(source, shown) as file:
        names = [name for name in file.schema_arrow.names if not _PANDAS_INDEX.fullmatch(name)]
    return pd.DataFrame(columns=pd.Index([plain(name) for name in names], dtype=object))


def parquet_cells(source: BinaryIO, shown: str, column: str) -> Iterator[str]:
    """The cells of one column of a Parquet file as text, some thousand at a time.

    Args:
        source: the open file.
        shown: what the file is called in messages.
        column: one of `parquet_columns`.

    Raises:
        InputError: it is damaged.
    """
    with _reading_parquet(source, shown) as file:
        name = next(name for name in file.schema_arrow.names if plain(name) == column)
        for batch in file.iter_batches(_STREAMED, columns=[name]):
            yield from map(_cell, batch.column(0).to_pylist())


@contextmanager
def _reading_parquet(source: BinaryIO, shown: str) -> Iterator[Any]:
    with requires("pyarrow", "reading Parquet"):
        from pyarrow import parquet

    try:
        with parquet.ParquetFile(source, page_checksum_verification=True) as file:
            yield file
    except (ValueError, OSError) as error:  # those of pyarrow are ValueErrors
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"expected a table (.parquet) in {shown}, but cannot read it: {reason}") from error


def _cell(value: object) -> str:
    """A value as text, as pandas writes it into CSV: empty where there is none, a day without its midnight."""
    match value:
        case None:
            return ""
        case float() if math.isnan(value):
            return ""
        case bytes():
            return value.decode(errors="backslashreplace")
        case datetime.datetime() if value.tzinfo is None and value.time() == datetime.time():
            return value.date().isoformat()
        case list() | dict():
            return json.dumps(value, default=str)
    return str(value)


def json_text(value: object, indent: int | None = None) -> str:
    """A value as JSON, with null for the numbers that JSON does not have; no character in it ends a line or steers."""
    text = json.dumps(_finite(value), ensure_ascii=False, default=str, indent=indent)
    return text.translate(JSON_ESCAPES)


def _finite(value: object) -> object:
    """The value with null for the numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(name): _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
