"""Files of class names, and of how common the classes are.

A file of names is one of:

- text, one name a line. A line that begins with "#" and a blank, or is only "#", is a comment; nothing else is, so that
  "#1 melanoma" and "C# minor" are names;
- a table (.csv, .tsv, .jsonl, .parquet) with a column ``class``;
- .json: a list of names, {"0": name, "1": name} or {name: 0, name: 1}.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

from zsderm.errors import ClassListError, FallbackWarning, InputError, SettingsError
from zsderm.knowledge.names import repeated
from zsderm.text_files import read_text, text_lines

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


def read_names(path: Path) -> list[str]:
    """The names in a file, in its order, with single blanks.

    Raises:
        ClassListError: it cannot be read, or holds something else.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _in_json(path)
    names = _in_table(path) if suffix in TABLES else _in_lines(path)
    return [" ".join(name.split()) for name in names if name.strip()]


def read_weights(path: Path) -> dict[str, float]:
    """The weight of each class in a file: a table with the columns class and weight, or a JSON object.

    Raises:
        InputError: the table cannot be read.
        SettingsError: it is something else, a weight is no number from 0, or a class stands there twice.
    """
    expected = f"expected columns class,weight or a JSON object of class: weight in {path}"
    pairs = _json_weights(path, expected) if path.suffix.lower() == ".json" else _table_weights(path, expected)
    for word, cell, weight in pairs:
        if not (word and math.isfinite(weight) and weight >= 0):
            raise SettingsError(f"{expected}, and weights from 0, but a row is {word!r}, {cell!r}")
    classes = [word for word, _, _ in pairs]
    if len(set(classes)) < len(classes):
        twice = next(word for word in classes if classes.count(word) > 1)
        raise SettingsError(f"expected one weight for each class in {path}, but {twice!r} stands there twice")
    return {word: weight for word, _, weight in pairs}


def _table_weights(path: Path, expected: str) -> list[tuple[str, str, float]]:
    """Each class, its cell, and the number in it."""
    from zsderm.image_table import LABEL_COLUMNS, known_column
    from zsderm.table_files import numbers, read_cells

    table = read_cells(path)
    name, share = known_column(table, ("class", *LABEL_COLUMNS)), known_column(table, ("weight",))
    if not (name and share):
        raise SettingsError(f"{expected}, but its columns are: {', '.join(table) or 'none'}")
    cells = table[share].tolist()
    return list(zip(table[name].str.strip(), cells, numbers(cells)[0].tolist(), strict=True))


def _json_weights(path: Path, expected: str) -> list[tuple[str, str, float]]:
    try:
        text = read_text(path, ClassListError)
        content = json.loads(text, object_pairs_hook=tuple)  # keeps a name that stands there twice
        if isinstance(content, list):
            raise TypeError("not an object")
        return [(str(name), str(weight), float(weight)) for name, weight in content]
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise SettingsError(f"{expected}, but cannot read that ({error})") from error


def _in_lines(path: Path) -> list[str]:
    names = text_lines(read_text(path, ClassListError))
    for name in names:
        if re.search(r"\s#\s", name):
            warnings.warn(
                f"'{name}' is read as the name of a class; a comment stands on a line of its own.",
                FallbackWarning,
                stacklevel=2,
            )
    return names


def _in_table(path: Path) -> list[str]:
    from zsderm.image_table import known_column
    from zsderm.table_files import read_cells

    try:
        table = read_cells(path)
    except InputError as error:
        raise ClassListError(str(error)) from error
    if not (column := known_column(table, ("class",))):
        raise ClassListError(
            f"expected a column 'class' in {path}, but its columns are: {', '.join(table.columns) or 'none'}"
        )
    return list(table[column])


def _in_json(path: Path) -> list[str]:
    try:
        names = _in_order(json.loads(read_text(path, ClassListError)))
    except (ValueError, RecursionError) as error:
        raise ClassListError(f"expected a class map in {path}, but cannot read it: {error}") from error
    if not names or repeated(names):
        raise ClassListError(
            f'expected distinct classes in {path}, as a list, {{"0": name, "1": name}} or {{name: 0, name: 1}} '
            "with every number from 0"
        )
    return names


def _in_order(content: object) -> list[str]:
    """The names of a class map; empty when it is none."""
    if isinstance(content, Mapping):
        numbers = all(str(key).isdecimal() for key in content)
        pairs = [(key, name) if numbers else (name, key) for key, name in content.items()]
        if not all(str(index).isdecimal() for index, _ in pairs):
            return []
        if sorted(int(index) for index, _ in pairs) != list(range(len(pairs))):
            return []
        content = [name for _, name in sorted(pairs, key=lambda pair: int(pair[0]))]
    if not isinstance(content, list) or not all(isinstance(name, str | int | float) for name in content):
        return []
    return [" ".join(str(name).split()) for name in content]
