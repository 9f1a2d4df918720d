"""Tables from files, as text (a cell is what stands in the file until somebody asks for a number), and into files.

Patient 007 stays "007", class 01 stays "01", and a name such as "NA" or "0e1" is neither a gap nor a number.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm.atomic_files import atomic_file
from zsderm.csv_files import JSON_ESCAPES, open_csv, out_of_cells, write_frame
from zsderm.errors import FallbackWarning, InputError, MissingDependencyError, SettingsError
from zsderm.optional_packages import requires

# What people write for "not known", in lower case. Never used for classes: a class may be called "none".
UNKNOWN_WORDS = frozenset({"", "nan", "na", "n/a", "none", "null", "unk", "unknown"})
_SEPARATORS = ",;\t"
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # how pandas stores row numbers in Parquet


def read_cells(path: Path) -> pd.DataFrame:
    """A table from CSV, JSON Lines or Parquet, by the file's suffix; every cell is text, a missing one is empty.

    CSV may be separated by comma, semicolon or tab, and written in UTF-8 or UTF-16. What is not UTF-8 is read as
    Windows-1252, with a warning. Column names lose blanks around them.

    Raises:
        InputError: the file cannot be read as what its suffix says.
        MissingDependencyError: Parquet without pyarrow.
    """
    readers = {".parquet": _parquet, ".jsonl": _json_lines}
    try:
        table = readers.get(path.suffix.lower(), _csv)(path)
    except (ValueError, OSError, pd.errors.ParserWarning) as error:  # the errors of pandas and pyarrow are ValueErrors
        if isinstance(error, InputError):
            raise
        kind = "table (.csv, .jsonl or .parquet)"
        raise InputError(f"expected a {kind} in {path}, but cannot read it: {' '.join(str(error).split())}") from error
    table.columns = pd.Index([str(name).strip() for name in table.columns], dtype=object)
    if twice := sorted(set(table.columns[table.columns.duplicated()])):
        raise InputError(f"expected every column of {path} once, but {', '.join(twice)} stands there twice")
    return table


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


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV in UTF-8; the file is replaced whole or not at all."""
    with atomic_file(path) as draft, open_csv(draft) as file:
        write_frame(frame, file)


def write_json_lines(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as one JSON object a line, NaN as null; the file is replaced whole or not at all."""
    rows = frame.to_dict(orient="records")
    with atomic_file(path) as draft, draft.open("w", encoding="utf-8", newline="\n") as lines:
        for row in rows:
            cleaned = {str(name): None if pd.isna(value) else value for name, value in row.items()}
            lines.write(json.dumps(cleaned, ensure_ascii=False).translate(JSON_ESCAPES) + "\n")


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet; the file is replaced whole or not at all.

    Raises:
        MissingDependencyError: without pyarrow.
    """
    if find_spec("pyarrow") is None:
        raise MissingDependencyError("writing Parquet needs pyarrow. Install it with: pip install pyarrow")
    with atomic_file(path) as draft:
        frame.to_parquet(draft, index=False, engine="pyarrow")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table in the format that the suffix names: .csv, .jsonl or .parquet.

    Raises:
        SettingsError: another suffix, or a place that cannot be written.
    """
    writers: dict[str, Callable[[pd.DataFrame, Path], None]]
    writers = {".csv": write_csv, ".jsonl": write_json_lines, ".parquet": write_parquet}
    if path.suffix.lower() not in writers:
        raise SettingsError(
            f"Expected a file name ending in {', '.join(writers)}, but got '{path}'. Rename the output file."
        )
    writers[path.suffix.lower()](frame, path)


def _csv(path: Path) -> pd.DataFrame:
    text = _text(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a row with more cells than the header
        cells = pd.read_csv(
            StringIO(text), dtype=str, keep_default_na=False, index_col=False, sep=_separator(text), engine="c"
        ).fillna("")  # rows that end early
    return out_of_cells(cells, text)


def _text(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        warnings.warn(f"{path} is not UTF-8; it is read as Windows-1252.", FallbackWarning, stacklevel=2)
        return content.decode("cp1252")


def _separator(text: str) -> str:
    """The separator that the header has most of, outside quotes; a comma when it has none."""
    header = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").split("\n", 1)[0])
    return max(_SEPARATORS, key=header.count)


def _json_lines(path: Path) -> pd.DataFrame:
    lines = [line for line in _text(path).splitlines() if line.strip()]
    rows = [json.loads(line, parse_float=str, parse_int=str, parse_constant=str) for line in lines]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a line is no JSON object")
    names = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame({name: [_cell(row.get(name)) for row in rows] for name in names}, dtype=object)


def _parquet(path: Path) -> pd.DataFrame:
    with requires("pyarrow", "reading Parquet"):
        from pyarrow import parquet

    table = parquet.read_table(path)
    names = [name for name in table.column_names if not _PANDAS_INDEX.fullmatch(name)]
    return pd.DataFrame({name: [_cell(value) for value in table[name].to_pylist()] for name in names}, dtype=object)


def _cell(value: object) -> str:
    """A value as text: empty where there is none."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return json.dumps(value) if isinstance(value, list | dict) else str(value)
