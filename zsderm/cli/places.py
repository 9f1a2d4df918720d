"""Places on the disk that a command line names: what is written and read at once, and what only looks like a path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import click

_SUFFIX = re.compile(r"\.(txt|text|csv|tsv|jsonl?|ya?ml|parquet|xlsx?|ods|md|html?|npy|zip|gz|jpe?g|png|pdf)$", re.I)
_OF_OTHERS = re.compile(
    r"\.(npz|h5|hdf5|pt|pth|pkl|pickle|safetensors|arrow|feather|orc|avro|bin|tar|bz2|xz|zst)$", re.I
)
_BEGINNING = re.compile(r"(~|\.{1,2})?[/\\]|[A-Za-z]:[/\\]")


def looks_like_path(text: str) -> bool:
    """Whether a text that is no file was meant as one: how it begins or ends, or a folder that is there."""
    if text == "-" or _BEGINNING.match(text) or _SUFFIX.search(text) or text.endswith(("/", "\\")):
        return True
    folder = os.path.dirname(text)
    return "," not in text and (os.path.lexists(text) or (bool(folder) and os.path.isdir(folder)))


def ends_as_file(text: str) -> bool:
    """Whether a text ends as names of files do, not of folders."""
    return bool(_SUFFIX.search(text) or _OF_OTHERS.search(text))


def what_it_is(text: str) -> str:
    """What is at a path that is no file, to be said after "there is"."""
    if text == "-":
        return "standard input, which is not read here"
    if os.path.isdir(text):
        return "a folder"
    return "no regular file" if os.path.lexists(text) else "no such file"


def refuse_shared_places(
    parameters: Sequence[click.Parameter], values: Mapping[str, Any], arguments: Sequence[str]
) -> None:
    """Refuse an output that the same command line also names as an input, or as another output.

    Args:
        parameters: of the command.
        values: of the parameters, by name.
        arguments: the command line.

    Raises:
        UsageError: a place is named twice.
    """
    outputs = [
        values[parameter.name]
        for parameter in parameters
        if getattr(parameter.type, "written", False) and parameter.name and values.get(parameter.name)
    ]
    for one, other in combinations(outputs, 2):
        if os.path.realpath(one) == os.path.realpath(other):
            raise click.UsageError(f"two outputs are the same place, '{one}'. Give each of them its own.")
    for output in outputs:
        if not os.path.exists(output):
            continue
        named = sum(any(_same(output, place) for place in _places(argument)) for argument in arguments)
        if named > 1:
            raise click.UsageError(f"'{output}' is an input and an output; the input would be lost. Choose another.")


def _places(argument: str) -> Iterator[str]:
    """The paths that an argument may name: PATH, @PATH, -oPATH, --option=PATH, PATH:column=value, PATH=PATH."""
    yield argument
    if argument.startswith("@"):
        yield argument[1:]
    if re.match(r"-[a-z][^-]", argument):
        yield argument[2:]
    if "=" in argument:
        yield from (argument.partition("=")[2], argument.rpartition("=")[0], argument.rpartition("=")[2])
    if ":" in argument:
        yield argument.rpartition(":")[0]


def _same(output: Path, place: str) -> bool:
    try:
        return bool(place) and os.path.samefile(output, place)
    except (OSError, ValueError):
        return False
