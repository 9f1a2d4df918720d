"""What was stored as JSON, read back as if by a stranger: bounded, and held against the fields that it should have."""

from __future__ import annotations

import hashlib
import json
import math
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

LARGEST = 64 << 20  # bytes of a file; what is stored as JSON here has kilobytes
KINDS = {"bool": "true or false", "int": "a whole number", "float": "a finite number", "str": "a text"}


def parse_json(text: str, **how: Any) -> Any:
    """What a text says in JSON.

    Args:
        text: of one value.
        how: given to `json.loads`, such as ``object_pairs_hook=once``.

    Raises:
        ValueError: it is no JSON, or nested deeper than can be read.
    """
    try:
        return json.loads(text, **how)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, for ``object_pairs_hook``: a name that stands in it twice would silently lose its first value.

    Raises:
        ValueError: one does.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object")
    return found


def read_json_file(path: Path) -> Any:
    """What a file says in JSON.

    Args:
        path: of a regular file; what else there is under a name may never end.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is no JSON in UTF-8, too large, or nested too deep.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    if status.st_size > LARGEST:
        raise ValueError(f"it has {status.st_size:,} bytes, of at most {LARGEST:,}")
    return parse_json(path.read_text(encoding="utf-8"))


def fields_of(kind: type, content: object, *, also: Collection[str] = ()) -> dict[str, Any]:
    """A copy of a stored object that has just the fields of a dataclass, each of the kind that it says.

    Args:
        kind: the dataclass; annotations of the simple kinds (bool, int, float, str, or one of them or None) are
            checked, others are for the caller.
        content: what was stored.
        also: fields that may be left out, besides those with a default.

    Raises:
        ValueError: no object, a field too many or missing, or a value of another kind.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"expected an object, but got {_shown(content)}")
    known = {field.name: field for field in fields(kind)}
    if strange := sorted(set(map(str, content)) - known.keys()):
        raise ValueError(f"there is no field {strange[0]!r}")
    for name, field in known.items():
        if name in content:
            check_kind(name, content[name], str(field.type))
        elif field.default is MISSING and field.default_factory is MISSING and name not in also:
            raise ValueError(f"the field {name!r} is missing")
    return dict(content)


def check_kind(name: str, value: object, kind: str) -> None:
    """Refuse a value of another kind than an annotation says; True is no number, and no number is infinite.

    Args:
        name: of the field, for the error.
        value: what was stored.
        kind: bool, int, float, str, or one of them followed by "| None"; others are not checked.

    Raises:
        ValueError: it is another.
    """
    first, _, rest = (part.strip() for part in kind.partition("|"))
    if first not in KINDS or (rest == "None" and value is None):
        return
    sound = {
        "bool": isinstance(value, bool),
        "int": type(value) is int,
        "float": is_number(value),
        "str": isinstance(value, str),
    }
    if not sound[first]:
        raise ValueError(f"expected {name!r} to be {KINDS[first]}, but got {_shown(value)}")


def is_number(value: object) -> bool:
    """Whether a value is a finite number that a float can hold; True is none."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def check_numbers(name: str, values: Any, length: int, *, least: float = -math.inf) -> list[float]:
    """A stored list of so many finite numbers.

    Args:
        name: of the field, for the error.
        values: what was stored.
        length: how many there should be.
        least: the smallest that each may be.

    Raises:
        ValueError: it is none.
    """
    numbers: list[Any] = list(values) if isinstance(values, list | tuple) else [values]
    for value in numbers:
        check_kind(name, value, "float")
        if value < least:
            raise ValueError(f"expected numbers of at least {least:g} in {name!r}, but got {value}")
    if len(numbers) != length or not isinstance(values, list | tuple):
        raise ValueError(f"expected {length} numbers in {name!r}, but got {_shown(values)}")
    return [float(value) for value in numbers]


def checksum_of(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """16 hex digits over an object or a list, whatever the order of names in objects and the blanks in a file."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """64 hex digits over the content of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _shown(value: object) -> str:
    return f"{value!r:.60}"
