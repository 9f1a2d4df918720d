"""The command line that a run was started with, as its manifest has it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

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


def command_manifest(settings: Mapping[str, Any], encoder: Encoder | None) -> dict[str, Any]:
    """The manifest of a table that the running command writes.

    Args:
        settings: beside those of the command line, which is in it too.
        encoder: that the table rests on; None where it rests on none.
    """
    from zsderm.manifest_files import run_facts, versions

    said = None if encoder is None else {"name": encoder.card.name, "fingerprint": encoder.fingerprint}
    return {"encoder": said, "settings": dict(settings), "versions": versions(), "run": run_facts(command_line())}
