"""Where knowledge bases live: the bundled ones inside the package, anybody else's in a folder or a .jsonl file.

A base is a folder of JSON Lines files, one disease per line, with a ``base.json`` that says what it is.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from zsderm.errors import InputError, UnknownKnowledgeBaseError, WrongTypeError, did_you_mean
from zsderm.stored_json import once, parse_json

CARD_FILE = "base.json"
LARGEST = 2**30  # bytes of a file; those of the bundled base have some hundred thousand


def bundled() -> dict[str, Path]:
    """The knowledge bases that come with the package: name to folder, in alphabetical order."""
    root = Path(str(resources.files("zsderm.knowledge_bases")))
    return {folder.name: folder for folder in sorted(root.iterdir()) if (folder / CARD_FILE).is_file()}


def locate(name_or_path: str | Path) -> Path:
    """The folder or .jsonl file that a name or path means.

    A bundled name wins over a folder of the same name; write ``./dermatology`` for the folder.

    Raises:
        UnknownKnowledgeBaseError: if it is neither a bundled name nor an existing path.
        InputError: if the folder holds no .jsonl file, or the file is not one.
        WrongTypeError: if it is neither a text nor a path.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        got = type(name_or_path).__name__
        raise WrongTypeError(f"Expected the name of a knowledge base, or its folder, but got {got}.")
    known = bundled()
    if isinstance(name_or_path, str) and name_or_path in known:
        return known[name_or_path]
    path = Path(name_or_path).expanduser()
    if not str(name_or_path).strip() or not os.path.exists(path):
        raise UnknownKnowledgeBaseError(
            f"knowledge base {str(name_or_path)!r} is neither a bundled name nor an existing folder or .jsonl file."
            f"{did_you_mean(str(name_or_path), known)} See: zsderm kb list"
        )
    if not path.is_dir() and not path.is_file():
        raise InputError(f"expected a folder or a .jsonl file, but {str(path)!r} is neither.")
    if path.is_dir() and not any(path.glob("*.jsonl")):
        raise InputError(
            f"expected folder {str(path)!r} to hold .jsonl files, one disease per line, but it holds none."
        )
    if path.is_file() and path.suffix.lower() != ".jsonl":
        raise InputError(f"expected a folder or a .jsonl file, but got {str(path)!r}. One disease per line, as JSON.")
    return path


def read_lines(location: Path) -> Iterator[tuple[str, str]]:
    """Every non-empty line of a base, with its place ("tumours.jsonl:12"), files in alphabetical order.

    Raises:
        InputError: if a file is not UTF-8 text.
    """
    files = sorted(location.glob("*.jsonl")) if location.is_dir() else [location]
    for file in files:
        # Split at newlines only: str.splitlines also cuts at U+2028, which JSON allows inside a text.
        for number, line in enumerate(read_text(file).split("\n"), start=1):
            if line.strip():
                yield f"{file.name}:{number}", line


def files_of_diseases(location: Path) -> dict[str, str]:
    """Name of a disease -> the file whose line holds it; lines that cannot be read are left out."""
    found: dict[str, str] = {}
    for place, line in read_lines(location):
        try:
            name = text_field(place, parse_object(place, line), "name")
        except InputError:
            continue
        found.setdefault(name, place.rpartition(":")[0])
    return found


def read_card(location: Path) -> dict[str, object]:
    """What a base says about itself: the content of its base.json, empty for a base without one.

    Raises:
        InputError: if base.json is not a JSON object.
    """
    file = location / CARD_FILE
    return parse_object(CARD_FILE, read_text(file)) if location.is_dir() and file.is_file() else {}


def parse_object(place: str, text: str) -> dict[str, object]:
    """A text as a JSON object; `place` is its file and line, for the error.

    Raises:
        InputError: if it is anything else.
    """
    try:
        value = parse_json(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: expected a JSON object, but {error.msg} at character {error.pos + 1}.") from error
    except ValueError as error:  # a name that stands twice, thousands of digits, brackets in brackets
        raise InputError(f"{place}: expected a JSON object, but {error}.") from error
    if not isinstance(value, dict):
        raise InputError(f"{place}: expected a JSON object, but got {type(value).__name__}.")
    return value


def text_field(place: str, record: Mapping[str, object], key: str, default: str | None = None) -> str:
    """A text out of a record, without the blanks around it.

    Raises:
        InputError: if it is not there and has no default, or is empty or no text.
    """
    value = record.get(key, default)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{place}: expected {key!r} to be a text, but got {value!r:.80}.")
    return value.strip()


def texts_field(place: str, record: Mapping[str, object], key: str) -> tuple[str, ...]:
    """A list of texts out of a record; empty where the key is missing.

    Raises:
        InputError: if it is anything else.
    """
    value = record.get(key, [])
    # A lone string is a sequence of letters to Python: aliases "BCC" would become "B", "C", "C".
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise InputError(f"{place}: expected {key!r} to be a list of texts, but got {value!r:.80}.")
    return tuple(item.strip() for item in value)


def read_text(file: Path) -> str:
    """The text of a file of a base.

    Raises:
        InputError: if it is not UTF-8 text, cannot be read, or may never end: a device, a pipe, a file too large.
    """
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{str(file)!r} cannot be read: it is no regular file.")
        if status.st_size > LARGEST:
            raise InputError(f"{str(file)!r} cannot be read: it is larger than {LARGEST >> 20} MiB.")
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"expected {str(file)!r} to be UTF-8 text, but {error.reason} at byte {error.start}."
        ) from error
    except OSError as error:
        raise InputError(f"{str(file)!r} cannot be read: {error.strerror or error}.") from error
