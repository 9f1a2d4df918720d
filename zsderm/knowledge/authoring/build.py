"""A knowledge base out of what people already have: class names with lists of descriptions."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from zsderm.errors import InputError
from zsderm.knowledge.base import Description, Disease

COLUMNS = ("class", "description")


def read_class_texts(path: Path) -> list[Disease]:
    """Diseases from a table or a mapping of descriptions by class.

    Two formats are read: CSV with the columns class, description and, if wanted, aspect and modality; and JSON as
    CuPL-style work writes it, {class: [descriptions]} or {class: {aspect: [descriptions]}}.

    Args:
        path: a .csv or .json file.

    Returns:
        One disease per class, in the order of first appearance; repeated descriptions of a class are kept once.

    Raises:
        InputError: if the file is missing, of another kind, or holds something else.
    """
    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r} to build a knowledge base from.")
    readers = {".csv": _from_csv, ".json": _from_json}
    if path.suffix.lower() not in readers:
        raise InputError(f"expected a .csv or .json file of descriptions by class, but got {str(path)!r}.")
    found = readers[path.suffix.lower()](path)
    if not found:
        raise InputError(f"expected {str(path)!r} to hold descriptions by class, but it is empty.")
    return [
        Disease(name=name, descriptions=tuple({d.text.casefold(): d for d in reversed(texts)}.values())[::-1])
        for name, texts in found.items()
    ]


def _from_csv(path: Path) -> dict[str, list[Description]]:
    found: dict[str, list[Description]] = {}
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
            raise InputError(
                f"expected columns class,description in {str(path)!r}, but {', '.join(missing)} is missing."
            )
        for number, row in enumerate(rows, start=2):
            name, text = (row[column] or "" for column in COLUMNS)
            if not name.strip() or not text.strip():
                raise InputError(f"{path.name}, line {number}: expected a class and a description, but one is empty.")
            aspect, modality = row.get("aspect") or "unspecified", row.get("modality") or "either"
            _add(found, name, text, path, aspect, modality)
    return found


def _from_json(path: Path) -> dict[str, list[Description]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"expected {str(path)!r} to be JSON, but it is not: {error}.") from error
    if not isinstance(content, Mapping):
        raise InputError(f"expected {str(path)!r} to hold {{class: [descriptions]}}, but got {type(content).__name__}.")
    found: dict[str, list[Description]] = {}
    for name, texts in content.items():
        by_aspect = texts if isinstance(texts, Mapping) else {"unspecified": texts}
        for aspect, items in by_aspect.items():
            if not isinstance(items, list) or not all(isinstance(item, str) and item.strip() for item in items):
                raise InputError(f"{path.name}: expected {name!r} to have a list of texts, but got {items!r:.60}.")
            for text in items:
                _add(found, name, text, path, aspect, "either")
    return found


def _add(found: dict[str, list[Description]], name: str, text: str, path: Path, aspect: str, modality: str) -> None:
    name = name.strip()
    description = Description(text.strip(), name, aspect.strip(), modality.strip(), source=path.name)
    found.setdefault(name, []).append(description)
