"""``zsderm doctor``: does this installation work?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from zsderm.cli.help import Command
from zsderm.cli.options import cache_dir_option
from zsderm.cli.terminal import behind
from zsderm.harmless_text import harmless

_COLOURS = {"PASS": "green", "WARN": "yellow", "FAIL": "red"}


@click.command(cls=Command)
@cache_dir_option
@click.pass_context
def doctor(ctx: click.Context, cache_dir: Path) -> None:
    """Check this installation, and say how to repair it.

    Prints PASS, WARN or FAIL for every part, with the command that repairs it. The exit code is 1 if something failed.
    """
    from zsderm.doctor import examine

    failed = False
    for finding in examine(cache_dir):
        text = str(finding)
        coloured = sys.stdout.isatty()
        status = click.style(text[:4], fg=_COLOURS[finding.status], bold=True) if coloured else text[:4]
        click.echo(f"{status}{harmless(text[4:])}", file=behind(sys.stdout))
        failed |= finding.status == "FAIL"
    ctx.exit(1 if failed else 0)
