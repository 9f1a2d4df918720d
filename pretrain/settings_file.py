"""Settings out of a YAML file as dataclasses: unknown names and values of the wrong kind are refused, with their place.

What YAML allows and no setting needs is refused as well: one name twice (the last would win), dates and sets (they
could not be written into the manifest), names that are numbers, and files so large or deep that reading does not end.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zsderm.errors import MissingDependencyError, SettingsError, did_you_mean
from zsderm.stored_json import is_number

LARGEST_FILE = 1_000_000  # bytes; the bundled configurations have 4 000
MOST_VALUES = 10_000  # in a file, with what its aliases stand for
DEEPEST = 50  # settings inside settings
KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}


def read_settings(path: Path, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The settings in a YAML file, some of them replaced.

    Args:
        path: the YAML file.
        overrides: settings that replace those of the file; "model_cfg.vision_cfg.image_size" and the like reach inside.

    Raises:
        SettingsError: the file is missing, cannot be read, is no YAML, holds no settings, or holds what none can be; or
            what is replaced is nowhere.
        MissingDependencyError: PyYAML is not installed.
    """
    content = _read_yaml(path)
    for name, value in (overrides or {}).items():
        content = _replaced(content, name.split("."), value, name)
    return content


def _read_yaml(path: Path) -> dict[str, Any]:
    """The settings in a YAML file."""
    try:
        import yaml
    except ImportError as missing:
        raise MissingDependencyError(
            "Reading a configuration needs PyYAML. Run: pip install 'zsderm[pretrain]'"
        ) from missing
    if not path.is_file():
        raise SettingsError(f"There is no configuration {path}. The bundled ones are in pretrain/configs/.")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SettingsError(f"Expected {path} to be a configuration, but it has {path.stat().st_size:,} bytes.")
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
        _refuse_repeats(node, path, set())
        content = yaml.SafeLoader("").construct_document(node) if node else None
    except yaml.YAMLError as error:
        raise SettingsError(f"Expected {path} to be YAML, but {' '.join(str(error).split())[:300]}.") from error
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(f"Expected {path} to be YAML in UTF-8, but cannot read it: {error}.") from error
    if not isinstance(content, dict):
        raise SettingsError(f"Expected {path} to hold settings as `name: value`, but got {type(content).__name__}.")
    for count, (value, depth) in enumerate(_values(content, 0)):
        if count > MOST_VALUES or depth > DEEPEST:
            raise SettingsError(f"Expected {path} to be a configuration, but it has too many settings inside settings.")
        if not isinstance(value, dict | list | str | int | float | None):
            kind = type(value).__name__
            raise SettingsError(f"Expected texts and numbers in {path}, but {value} is a {kind}. Put it in quotes.")
        if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
            odd = next(key for key in value if not isinstance(key, str))
            raise SettingsError(f"Expected the names of settings in {path} to be texts, but got {odd!r}.")
    return content


def _refuse_repeats(node: Any, path: Path, seen: set[int]) -> None:
    """Refuse a mapping that has one name twice: YAML forbids it, PyYAML keeps the last. Aliases are looked at once."""
    if node is None or id(node) in seen or not isinstance(node.value, list):
        return
    seen.add(id(node))
    pairs = [entry for entry in node.value if isinstance(entry, tuple)]
    names = [key.value for key, _ in pairs if isinstance(key.value, str)]
    if twice := [name for name in names if names.count(name) > 1 and name != "<<"]:
        raise SettingsError(f"Setting '{twice[0]}' stands twice in {path}. Keep one of them.")
    for inner in [value for _, value in pairs] or node.value:
        _refuse_repeats(inner, path, seen)


def _values(content: Any, depth: int) -> Iterator[tuple[Any, int]]:
    """Every value inside settings, and how deep it stands."""
    yield content, depth
    if depth > DEEPEST:
        return
    for inner in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _values(inner, depth + 1)


def check_between(name: str, value: Any, least: float, most: float) -> None:
    """Refuse a number outside a range, both ends of which are allowed.

    Raises:
        SettingsError: it is outside.
    """
    if not least <= value <= most:
        low, high = (f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in (least, most))
        raise SettingsError(f"Expected setting `{name}` to be from {low} to {high}, but got {value}.")


def check_among(what: str, value: str, known: Sequence[str]) -> None:
    """Refuse a value that is none of those known.

    Raises:
        SettingsError: it is none of them.
    """
    if value not in known:
        meant = did_you_mean(str(value), known)
        raise SettingsError(f"Expected {what} to be one of {', '.join(known)}, but got {value!r:.60}.{meant}")


def _replaced(content: Any, steps: Sequence[str], value: Any, whole: str) -> Any:
    """A copy of nested settings with one of them replaced; numbers are places in a list."""
    if not steps:
        return value
    first, *rest = steps
    if isinstance(content, Mapping):
        return {**content, first: _replaced(content.get(first, {} if rest else None), rest, value, whole)}
    if isinstance(content, list) and first.isdigit() and int(first) < len(content):
        place = int(first)
        return [*content[:place], _replaced(content[place], rest, value, whole), *content[place + 1 :]]
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
    if kind.startswith("tuple["):
        inner = kind.removeprefix("tuple[").split(",")[0]
        if inner in KINDS:
            if not isinstance(value, list | tuple):
                raise SettingsError(f"Expected setting `{name}` in {where} to be a list, but got {value!r:.60}.")
            return tuple(_of_kind(name, entry, inner, where) for entry in value)
    fits = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": is_number(value),
        "str": isinstance(value, str),
    }
    if not fits.get(kind, True):
        raise SettingsError(f"Expected setting `{name}` in {where} to be {KINDS[kind]}, but got {value!r:.60}.")
    return value
