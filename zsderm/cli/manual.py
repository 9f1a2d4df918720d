"""The manual of the command line, written from what ``--help`` says: ``python -m zsderm.cli.manual > docs/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from zsderm.cli import main

_WIDTH = 100  # characters a line, whatever terminal the manual is written in


def pages(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """(name, help text) of a command and of every command below it, in the order of the help.

    Args:
        command: where to begin.
        name: what it is called there.
        parent: the context of the command above, if there is one.
    """
    settings = {**command.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from pages(found, below, context)


def markdown() -> str:
    """The whole manual as one Markdown page."""
    sections = [f"## {name}\n\n```text\n{text}\n```\n" for name, text in pages(main, "zsderm")]
    return "\n".join(["# The command line\n", "Written by `make docs` from what `--help` says.\n", *sections])


if __name__ == "__main__":
    click.echo(markdown(), nl=False)
