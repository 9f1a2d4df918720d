"""What a command says on stderr about images that could not be read."""

from __future__ import annotations

from collections.abc import Mapping

import click

from zsderm.file_names import printable
from zsderm.harmless_text import one_line
from zsderm.wording import counted

STRICT = 3  # exit code of --strict where images failed
SHOWN = 8  # reasons that are listed; the others are counted


def print_failures(errors: Mapping[str, str], see: str = "", count: int | None = None) -> None:
    """Print the first reasons, one a line, and how many more there are.

    Args:
        errors: a reason for each image, by name.
        see: where all of them stand, such as "the column error".
        count: how many failed, where these are only the first of them.
    """
    count = len(errors) if count is None else count
    for name, reason in list(errors.items())[:SHOWN]:
        click.echo(f"  failed: {one_line(printable(name))}: {one_line(reason)}", err=True)
    if count > min(SHOWN, len(errors)):
        click.echo(
            f"  and {counted(count - min(SHOWN, len(errors)), 'more failure')}{f': see {see}' if see else ''}", err=True
        )


def end_strictly(failed: int) -> None:
    """With --strict: end with exit code 3 if images failed, once all is written."""
    if failed:
        failures = f"{counted(failed, 'image')} failed; with --strict the exit code is {STRICT}"
        click.echo(f"Error: {failures}. The other rows are written.", err=True)
        click.get_current_context().exit(STRICT)
