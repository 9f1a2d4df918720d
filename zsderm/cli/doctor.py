"""``zsderm doctor``: does this installation work?"""

from __future__ import annotations

from pathlib import Path

import click

from zsderm.cli.options import cache_dir_option

_COLOURS = {"PASS": "green", "WARN": "yellow", "FAIL": "red"}


@click.command()
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
        click.echo(click.style(text[:4], fg=_COLOURS[finding.status], bold=True) + text[4:])
        failed |= finding.status == "FAIL"
    ctx.exit(1 if failed else 0)
