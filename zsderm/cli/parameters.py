"""What the commands accept as a value: a class list, a class prior, a place for a result, a setting."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from zsderm.cli.places import ends_as_file, looks_like_path, what_it_is
from zsderm.config import PRIORS, VIEWS
from zsderm.errors import ClassListError, SettingsError, did_you_mean


class ClassList(click.ParamType):
    """Class names: a file of them, see `zsderm.cli.class_files`, or ``"a, b, c"``.

    Args:
        least: how many there must be. A classifier of one class would answer it for every photograph.
    """

    name = "file|names"

    def __init__(self, least: int = 2) -> None:
        self.least = least

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """A shell completes names of files."""
        return [CompletionItem(incomplete, type="file")]

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """The names in ``value``; raises :class:`ClassListError` when there are too few or one stands there twice."""
        from zsderm.cli.class_files import read_names
        from zsderm.typed_classes import checked_names, typed_names

        if os.path.isfile(value):
            return checked_names(read_names(Path(value)), value, self.least)
        if looks_like_path(value):
            raise ClassListError(
                f"expected a file of classes or their names, but {value!r} looks like a path, and there is "
                f"{what_it_is(value)}. Check the path; or write the names with commas: --classes 'a, b'"
            )
        return checked_names(typed_names(value), value, self.least)


class ClassPrior(click.ParamType):
    """How common the classes are: ``auto``, ``uniform``, ``home``, or a file (a CSV or JSON file of weights)."""

    name = "auto|uniform|home|file"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """A shell completes names of files."""
        return [CompletionItem(incomplete, type="file")]

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str | dict[str, float]:
        """The word itself, or the weight of each class in the file."""
        if value in PRIORS:
            return value
        if not os.path.isfile(value):
            words, hint = ", ".join(reversed(PRIORS)), did_you_mean(value, PRIORS)
            found = f"expected {words} or a file, but got {value!r}, and there is {what_it_is(value)}.{hint}"
            self.fail(found, param, ctx)
        from zsderm.cli.class_files import read_weights

        return read_weights(Path(value))


class ResultFile(click.ParamType):
    """A file to write: its suffix says the format. Checked before any work begins; missing folders are made later."""

    name = "file"
    written = True  # see `refuse_shared_places`

    def __init__(self, *suffixes: str) -> None:
        self.suffixes = suffixes

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """A shell completes names of files."""
        return [CompletionItem(incomplete, type="file")]

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, or a usage error that says what is wrong with it."""
        path = Path(value)
        if path.suffix.lower() not in self.suffixes:
            self.fail(f"expected a file that ends in {' or '.join(self.suffixes)}, but got {str(value)!r}.", param, ctx)
        if os.path.lexists(path) and not os.path.isfile(path):
            self.fail(f"{str(value)!r} is no file that can be replaced; choose another place.", param, ctx)
        _writable(self, path, param, ctx)
        return path


class ResultFolder(click.ParamType):
    """A folder to write, checked before any work begins.

    Args:
        new: whether it must not be there yet, or be empty.
    """

    name = "folder"

    def __init__(self, *, new: bool) -> None:
        self.new = self.written = new  # one that is added to may be that of another output

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """A shell completes names of folders."""
        return [CompletionItem(incomplete, type="dir")]

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path, or a usage error that says what is wrong with it.

        Raises:
            SettingsError: a new folder that holds something.
        """
        from zsderm.atomic_files import is_new_or_empty

        path = Path(value)
        if os.path.lexists(path) and not os.path.isdir(path):
            self.fail(f"{str(value)!r} is a file, not a folder; choose another place.", param, ctx)
        if self.new and not is_new_or_empty(path):
            raise SettingsError(f"expected '{path}' to be new or empty, but it is not. Choose another place.")
        _writable(self, path, param, ctx, inside=not self.new)
        return path


class ResultPlace(click.ParamType):
    """A file to write, by its suffix, or a folder for many of them; see `ResultFile`.

    A folder is what is one already, ends in "/", or has no suffix that a file would have. An address with "://" is a
    folder elsewhere, and stays the text that it is.
    """

    name = "file|folder"
    written = True

    def __init__(self, *suffixes: str) -> None:
        self.file = ResultFile(*suffixes)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """A shell completes names of files and folders."""
        return [CompletionItem(incomplete, type="file")]

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """A file as a path; a folder as a text that ends in "/", or is an address; or a usage error."""
        if "://" in str(value):
            if str(value).lower().endswith(self.file.suffixes):
                self.fail("a single file is written on a disk; in a bucket name a folder, for a data set.", param, ctx)
            return str(value)
        path = Path(value)
        folder = os.path.isdir(path) or str(value).endswith(("/", os.sep))
        if not folder and path.suffix.lower() in self.file.suffixes:
            return self.file.convert(value, param, ctx)
        if not folder and ends_as_file(str(value)):
            suffixes = " or ".join(self.file.suffixes)
            hint = "a folder's name is written with / at its end"
            self.fail(f"expected a file that ends in {suffixes}, but got {str(value)!r}; {hint}.", param, ctx)
        return os.path.join(ResultFolder(new=False).convert(value, param, ctx), "")


class Views(click.ParamType):
    """How many views of an image are averaged: a number of `zsderm.config.VIEWS`."""

    name = "|".join(map(str, VIEWS))

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a usage error that lists those there are."""
        if str(value) not in map(str, VIEWS):
            self.fail(f"expected {', '.join(map(str, VIEWS))}, but got {value!r}.", param, ctx)
        return int(value)


class Gamma(click.ParamType):
    """How strongly answers are smoothed: a number from 0 on."""

    name = "number"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a usage error: without a number, what follows the option is taken for it."""
        try:
            number = float(value)
        except ValueError:
            self.fail(
                f"expected a number, such as 0.3, but got {value!r}. Without a number, put another option behind it.",
                param,
                ctx,
            )
        if not 0 <= number < math.inf:
            self.fail(f"expected a number from 0 on, such as 0.3, but got {value!r}.", param, ctx)
        return number


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


def _writable(
    kind: click.ParamType,
    path: Path,
    param: click.Parameter | None,
    ctx: click.Context | None,
    inside: bool = False,
) -> None:
    from zsderm.atomic_files import refuse_unwritable

    try:
        refuse_unwritable(path, inside=inside)
    except SettingsError as error:
        kind.fail(str(error), param, ctx)
