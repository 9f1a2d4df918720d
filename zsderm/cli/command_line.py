"""The command line that a run was started with, as its manifest has it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

_KEY = f"{__name__}.arguments"
_ADDRESS = re.compile(r"(https?://)(?:[^/?#\s]*@)?([^?#\s]*)(?:[?#]\S*)?")


def remember(context: click.Context, arguments: Sequence[str]) -> None:
    """Keep the arguments of a command, as they were typed."""
    context.meta[_KEY] = tuple(arguments)


def command_line() -> str:
    """The command that is running, as a line for a shell: "zsderm classify --images photos/ ...".

    What is not valid Unicode, as in file names of old disks, is written as in tables. Keys and passwords are left out.
    """
    from zsderm.file_names import printable

    context = click.get_current_context()
    names = ["zsderm", *context.command_path.split()[1:]]
    return shlex.join(map(printable, [*names, *_without_secrets(context.meta.get(_KEY, ()))]))


def _without_secrets(arguments: Sequence[str]) -> Iterator[str]:
    """The arguments, with *** for a key, and addresses without user, password and query."""
    secret = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if secret or (name == "--api-key" and equals):
            yield "***" if secret else f"{name}=***"
        else:
            yield _ADDRESS.sub(lambda found: f"{found[1]}{found[2]}", argument)
        secret = argument == "--api-key" and not secret


def command_manifest(settings: Mapping[str, Any], encoder: Encoder | None) -> dict[str, Any]:
    """The manifest of a table that the running command writes.

    Args:
        settings: beside those of the command line, which is in it too.
        encoder: that the table rests on; None where it rests on none.
    """
    from zsderm.manifest_files import run_facts, versions

    said = None if encoder is None else {"name": encoder.card.name, "fingerprint": encoder.fingerprint}
    return {"encoder": said, "settings": dict(settings), "versions": versions(), "run": run_facts(command_line())}
