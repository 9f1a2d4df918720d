"""A knowledge base out of what people already have: class names with lists of descriptions."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from zsderm.errors import FallbackWarning, InputError
from zsderm.knowledge.authoring.validate import MINIMAL, minimal_problems
from zsderm.knowledge.base import Description, Disease
from zsderm.stored_json import once, parse_json
from zsderm.table_files import read_cells

COLUMNS = ("class", "description")
OPTIONAL = ("aspect", "modality", "shows")
LARGEST_FILE = 200_000_000  # bytes; the bundled base has one million
PROFILE = MINIMAL  # what a base that is built here keeps to; it stands in its base.json
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")


def read_class_texts(path: Path) -> list[Disease]:
    """Diseases from a table or a mapping of descriptions by class.

    Two formats are read: a table (.csv, .tsv, .jsonl, .parquet) with the columns class, description and, if wanted,
    aspect, modality and shows; and JSON as CuPL-style work writes it, {class: [descriptions]} or
    {class: {aspect: [descriptions]}}. Line breaks and runs of blanks in names and descriptions become one blank.

    Args:
        path: the file.

    Returns:
        One disease per class, in the order of first appearance; repeated descriptions of a class are kept once. They
        keep to the minimal profile of `zsderm.knowledge.authoring.validate`.

    Raises:
        InputError: if the file is missing, of another kind, or holds something else.
    """
    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r} to build a knowledge base from.")
    if path.suffix.lower() not in (*_TABLES, ".json"):
        raise InputError(f"expected a .csv or .json file of descriptions by class, but got {str(path)!r}.")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"expected {str(path)!r} to have at most {LARGEST_FILE:,} bytes. Is it the right file?")
    found = _from_json(path) if path.suffix.lower() == ".json" else _from_table(path)
    if not found:
        raise InputError(f"expected {str(path)!r} to hold descriptions by class, but it is empty.")
    diseases = [
        Disease(name=name, descriptions=tuple({d.text.casefold(): d for d in reversed(texts)}.values())[::-1])
        for name, texts in found.items()
    ]
    for disease in diseases:
        if problem := next(minimal_problems(disease), ""):
            raise InputError(f"{path.name}: class {disease.name!r}: {problem}. Mend the file, and build again.")
    return diseases


def _from_table(path: Path) -> dict[str, list[Description]]:
    try:
        table = read_cells(path)
    except InputError as error:
        unquoted = isinstance(error.__cause__, pd.errors.ParserError | pd.errors.ParserWarning)
        hint = ". Put descriptions with commas in quotes" if unquoted else ""
        raise InputError(f"{error}{hint}") from error
    table = table.rename(columns={name: name.casefold() for name in table if name.casefold() not in table})
    if missing := [column for column in COLUMNS if column not in table]:
        raise InputError(
            f"expected columns class,description in {str(path)!r}, but {', '.join(missing)} is missing. Its columns: "
            f"{', '.join(table)}."
        )
    found: dict[str, list[Description]] = {}
    for number, row in enumerate(table.to_dict(orient="records"), start=2):
        name, text = (row[column] for column in COLUMNS)
        if not name.strip() or not text.strip():
            raise InputError(f"{path.name}, line {number}: expected a class and a description, but one is empty.")
        _add(found, name, text, path, *(row.get(key, "") for key in OPTIONAL))
    return found


def _from_json(path: Path) -> dict[str, list[Description]]:
    try:
        content = parse_json(_text(path), object_pairs_hook=once)
    except (OSError, ValueError) as error:
        raise InputError(f"expected {str(path)!r} to be JSON, but it is not: {error}.") from error
    if not isinstance(content, Mapping):
        raise InputError(f"expected {str(path)!r} to hold {{class: [descriptions]}}, but got {type(content).__name__}.")
    found: dict[str, list[Description]] = {}
    for name, texts in content.items():
        if not name.strip():
            raise InputError(f"{path.name}: expected every class to have a name, but one is empty.")
        by_aspect = texts if isinstance(texts, Mapping) else {"": texts}
        for aspect, items in by_aspect.items():
            if not isinstance(items, list) or not all(isinstance(item, str) and item.strip() for item in items):
                raise InputError(f"{path.name}: expected {name!r} to have a list of texts, but got {items!r:.60}.")
            for text in items:
                _add(found, name, text, path, aspect)
        if " ".join(name.split()) not in found:
            raise InputError(f"{path.name}: expected {name!r} to have a list of texts, but it is empty.")
    return found


def _text(path: Path) -> str:
    """A JSON file in UTF-8, UTF-16 or UTF-32, as its first bytes say; what is none of them as Windows-1252."""
    content = path.read_bytes()
    encoding = json.detect_encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        warnings.warn(f"{path} is not UTF-8; it is read as Windows-1252.", FallbackWarning, stacklevel=2)
        return content.decode("cp1252")


def _add(
    found: dict[str, list[Description]],
    name: str,
    text: str,
    path: Path,
    aspect: str = "",
    modality: str = "",
    shows: str = "",
) -> None:
    name, text, aspect, modality, shows = (" ".join(words.split()) for words in (name, text, aspect, modality, shows))
    description = Description(
        text, name, aspect or "unspecified", modality.lower() or "either", source=path.name, shows=shows.lower()
    )
    found.setdefault(name, []).append(description)
