"""What the commands accept as a value: a class list, a class prior, a result file, a setting."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import click

from zsderm.config import PRIORS, VIEWS
from zsderm.errors import ClassListError, SettingsError


class ClassList(click.ParamType):
    """Class names: a file (one per line, or a CSV table with a column ``class``), or ``"a, b, c"``."""

    name = "file|names"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The names in ``value``; raises :class:`ClassListError` when there are none or one stands there twice."""
        path = Path(value)
        if path.is_file():
            names = _class_table(path) if path.suffix.lower() == ".csv" else _class_lines(path)
        elif path.suffix.lower() in {".txt", ".csv"}:
            raise ClassListError(
                f"expected a class list in {value}, but there is no such file; or write --classes 'a, b'"
            )
        else:
            names = [name.strip() for name in value.split(",") if name.strip()]
        return _checked(names, value)


class ClassPrior(click.ParamType):
    """How common the classes are: ``auto``, ``uniform``, or a file (CSV with ``class,weight``, or a JSON object)."""

    name = "auto|uniform|file"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str | dict[str, float]:
        """The word itself, or the weight of each class in the file."""
        if value in PRIORS:
            return value
        path = Path(value)
        if not path.is_file():
            words = ", ".join(reversed(PRIORS))
            self.fail(f"expected {words} or a file, but got {value!r}, and there is no such file.", param, ctx)
        return _prior_weights(path)


class ResultFile(click.ParamType):
    """A file to write: its suffix says the format. Checked before any work begins; missing folders are made later."""

    name = "file"

    def __init__(self, *suffixes: str) -> None:
        self.suffixes = suffixes

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, or a usage error that says what is wrong with it."""
        path = Path(value)
        if path.suffix.lower() not in self.suffixes:
            self.fail(f"expected a file that ends in {' or '.join(self.suffixes)}, but got {str(value)!r}.", param, ctx)
        nearest = next(parent for parent in path.absolute().parents if parent.exists())
        if path.is_dir() or not nearest.is_dir() or not os.access(nearest, os.W_OK):
            self.fail(f"{str(value)!r} cannot be written; choose another place.", param, ctx)
        return path


class Views(click.ParamType):
    """How many views of an image are averaged: a number of `zsderm.config.VIEWS`."""

    name = "|".join(map(str, VIEWS))

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a usage error that lists those there are."""
        if str(value) not in map(str, VIEWS):
            self.fail(f"expected {', '.join(map(str, VIEWS))}, but got {value!r}.", param, ctx)
        return int(value)


class Setting(click.ParamType):
    """``key=value``, where the value is JSON if it parses as JSON, and text otherwise."""

    name = "key=value"

    def convert(
        self, value: str | tuple[str, object], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, object]:
        """The key and the parsed value."""
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not (key and equals):
            self.fail(f"expected key=value, but got {value!r}.", param, ctx)
        try:
            return key, json.loads(text)
        except json.JSONDecodeError:
            return key, text


def _text_of(path: Path) -> str:
    """The text of a small file, with or without the byte order mark that spreadsheets write."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClassListError(f"expected UTF-8 text in {path}, but it is not; save it as UTF-8") from error


def _class_lines(path: Path) -> list[str]:
    """One name per line; '#' starts a comment."""
    lines = (line.partition("#")[0].strip() for line in _text_of(path).splitlines())
    return [line for line in lines if line]


def _class_table(path: Path) -> list[str]:
    rows = csv.DictReader(_text_of(path).splitlines())
    if "class" not in (rows.fieldnames or ()):
        found = ", ".join(rows.fieldnames or ()) or "none"
        raise ClassListError(f"expected a column 'class' in {path}, but its columns are: {found}")
    return [row["class"].strip() for row in rows if (row["class"] or "").strip()]


def _checked(names: list[str], source: str) -> tuple[str, ...]:
    """The names as a tuple, or an error when there are none or when two differ in case only."""
    if not names:
        raise ClassListError(f"expected class names, but found none in {source!r}; write one per line, or 'a, b, c'")
    folded = [name.casefold() for name in names]
    twice = sorted({name for name, key in zip(names, folded, strict=True) if folded.count(key) > 1})
    if twice:
        raise ClassListError(
            f"expected every class once, but {source!r} repeats: {', '.join(twice)}; remove the repeats"
        )
    return tuple(names)


def _prior_weights(path: Path) -> dict[str, float]:
    """The weight of each class in a prior file: a table with the columns class and weight, or a JSON object."""
    if path.suffix.lower() == ".json":
        return _json_weights(path)
    from zsderm.image_table import LABEL_COLUMNS, known_column
    from zsderm.table_files import numbers, read_cells

    table = read_cells(path)
    name, share = known_column(table, ("class", *LABEL_COLUMNS)), known_column(table, ("weight",))
    if not (name and share):
        raise SettingsError(
            f"expected columns class,weight or a JSON object of class: weight in {path}, but its columns are: "
            f"{', '.join(table) or 'none'}"
        )
    classes = [cell.strip() for cell in table[name]]
    weights, _ = numbers(table[share].tolist())
    for word, cell, weight in zip(classes, table[share], weights, strict=True):
        if not (word and math.isfinite(weight)):
            raise SettingsError(
                f"expected columns class,weight or a JSON object of class: weight in {path}, but a row is "
                f"{word!r}, {cell!r}"
            )
    if len(set(classes)) < len(classes):
        twice = next(word for word in classes if classes.count(word) > 1)
        raise SettingsError(f"expected one weight for each class in {path}, but {twice!r} stands there twice")
    return dict(zip(classes, weights.tolist(), strict=True))


def _json_weights(path: Path) -> dict[str, float]:
    try:
        weights = json.loads(_text_of(path))
        if not isinstance(weights, Mapping):
            raise TypeError("not an object")
        return {str(name): float(weight) for name, weight in weights.items()}
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingsError(
            f"expected columns class,weight or a JSON object of class: weight in {path}, but cannot read that ({error})"
        ) from error
