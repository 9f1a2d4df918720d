"""Settings out of a file as dataclasses: unknown names and values of the wrong kind are refused, with their place."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zsderm.errors import SettingsError, did_you_mean

KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}


def check_among(what: str, value: str, known: Sequence[str]) -> None:
    """Refuse a value that is none of those known.

    Raises:
        SettingsError: it is none of them.
    """
    if value not in known:
        raise SettingsError(f"Expected {what} to be one of {', '.join(known)}, but got {value!r}.")


def replaced(content: Any, steps: Sequence[str], value: Any, whole: str) -> Any:
    """A copy of nested settings with one of them replaced; numbers are places in a list.

    Raises:
        SettingsError: the steps lead nowhere.
    """
    if not steps:
        return value
    first, *rest = steps
    if isinstance(content, Mapping):
        return {**content, first: replaced(content.get(first, {} if rest else None), rest, value, whole)}
    if isinstance(content, list) and first.isdigit() and int(first) < len(content):
        place = int(first)
        return [*content[:place], replaced(content[place], rest, value, whole), *content[place + 1 :]]
    raise SettingsError(f"Setting '{whole}' leads nowhere: there is no '{first}' inside {content!r:.60}.")


def with_tuples(content: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A copy in which the lists of these names are tuples."""
    return {key: tuple(value) if key in names and isinstance(value, list) else value for key, value in content.items()}


def listed(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The entries of a setting that is a list of settings; none where it is missing.

    Raises:
        SettingsError: it is no such list.
    """
    entries = content.get(name, [])
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, Mapping) for entry in entries):
        raise SettingsError(
            f"Expected setting `{name}` to be a list of `name: value` settings, but got {entries!r:.60}."
        )
    return list(entries)


def build(
    kind: type,
    content: Mapping[str, Any],
    where: str,
    inner: Mapping[str, Iterable[str]] | None = None,
    *,
    checks_kinds: bool = False,
) -> Any:
    """A dataclass out of settings.

    Args:
        kind: the dataclass; its annotations are strings.
        content: name -> value.
        where: file and place, for the error.
        inner: names of settings that stand below others, and where; for the hint.
        checks_kinds: whether the dataclass refuses values of the wrong kind by itself.

    Raises:
        SettingsError: a name is unknown or missing, or a value of the wrong kind.
    """
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in content:
        if key not in fields:
            below = next((f"{outer}.{key}" for outer, names in (inner or {}).items() if key in names), "")
            meant = f" Did you mean '{below}'?" if below else did_you_mean(key, fields)
            raise SettingsError(f"Unknown setting '{key}' in {where}.{meant}")
    required = [name for name, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
    if missing := [name for name in required if name not in content]:
        raise SettingsError(f"Missing in {where}: {', '.join(missing)}.")
    if checks_kinds:
        return kind(**content)
    return kind(**{key: _of_kind(key, value, str(fields[key].type), where) for key, value in content.items()})


def _of_kind(name: str, value: Any, kind: str, where: str) -> Any:
    """The value if it is of its kind. YAML reads "6e-4" as a text, because it wants a dot; as a number it is taken."""
    if kind.startswith("Mapping") and not isinstance(value, Mapping):
        raise SettingsError(f"Expected setting `{name}` in {where} to hold settings of its own, but got {value!r:.60}.")
    if kind == "float" and isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    fits = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
        "str": isinstance(value, str),
    }
    if not fits.get(kind, True):
        raise SettingsError(f"Expected setting `{name}` in {where} to be {KINDS[kind]}, but got {value!r:.60}.")
    return value
