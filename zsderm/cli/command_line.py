"""The command line that a run was started with, as its manifest has it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import click

_KEY = f"{__name__}.arguments"


def remember(context: click.Context, arguments: Sequence[str]) -> None:
    """Keep the arguments of a command, as they were typed."""
    context.meta[_KEY] = tuple(arguments)


def command_line() -> str:
    """The command that is running, as a line for a shell: "zsderm classify --images photos/ ...".

    What is not valid Unicode, as in file names of old disks, is written as in tables.
    """
    from zsderm.file_names import printable

    context = click.get_current_context()
    names = ["zsderm", *context.command_path.split()[1:]]
    return shlex.join(map(printable, [*names, *context.meta.get(_KEY, ())]))
