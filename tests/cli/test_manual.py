"""The manual knows every command and every option, and docs/cli.md has kept up."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from zsderm.cli import main, manual

WRITTEN = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def _options(command: click.Command, name: str) -> set[tuple[str, str]]:
    found = {(name, option) for parameter in command.params for option in parameter.opts if option.startswith("--")}
    if isinstance(command, click.Group):
        context = click.Context(command)
        below = [(f"{name} {word}", command.get_command(context, word)) for word in command.list_commands(context)]
        found.update(*(_options(inner, path) for path, inner in below if inner is not None))
    return found


@pytest.mark.parametrize("text", [manual.markdown(), WRITTEN.read_text(encoding="utf-8")], ids=["fresh", "docs/cli.md"])
def test_every_option_of_every_command_is_in_the_manual(text: str) -> None:
    sections = {part.split("\n", 1)[0]: part for part in text.split("\n## ")[1:]}
    missing = [pair for pair in _options(main, "zsderm") if pair[1] not in sections.get(pair[0], "")]
    assert not missing, "run: make docs"


def test_no_line_is_wider_than_the_manual() -> None:
    assert max(map(len, manual.markdown().splitlines())) <= 110  # examples keep their lines
