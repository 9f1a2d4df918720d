"""Options under headings, old names that still work, and one meaning for each name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from zsderm.cli import main
from zsderm.cli.help import RARE, SPEED, Command, option


def _commands(command: click.Command = main, path: str = "") -> Iterator[tuple[str, click.Command]]:
    yield path.strip(), command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands(below, f"{path} {name}")


def _command(count: int) -> click.Command:
    headings = [SPEED, RARE, "First", "First", "Second", "", "First", SPEED]

    def show(**values: object) -> None:
        click.echo(sorted(values.items()))

    for number in reversed(range(count)):
        show = option(f"--o{number}", heading=headings[number], old_names=(f"--old{number}",))(show)
    return click.command(cls=Command)(show)


def test_headings_stand_in_the_order_of_the_code_and_what_is_rare_comes_last() -> None:
    text = CliRunner().invoke(_command(8), ["--help"]).stdout
    places = [text.index(f"\n{heading}:\n") for heading in ("First", "Second", "Options", SPEED, RARE)]
    assert places == sorted(places) and text.rstrip().endswith("Show this message and exit.")
    assert text.count("--o2") == text.count("--o6") == 1


def test_a_command_with_few_options_has_no_headings() -> None:
    text = CliRunner().invoke(_command(5), ["--help"]).stdout
    assert "\nOptions:\n" in text and "First:" not in text


@pytest.mark.parametrize("arguments", [["--old2", "x"], ["--old2=x"]])
def test_an_old_name_works_with_a_warning_and_is_not_shown(arguments: list[str]) -> None:
    done = CliRunner().invoke(_command(8), arguments)
    assert done.exit_code == 0 and "('o2', 'x')" in done.stdout
    assert done.stderr == "Warning: --old2 is now called --o2; the old name will be removed in a later version.\n"
    assert "old" not in CliRunner().invoke(_command(8), ["--help"]).stdout


def test_a_value_that_is_called_like_an_old_name_is_left_as_it_is() -> None:
    for arguments in (["--o1", "--old2"], ["--o1=--old2"], ["--old1", "--old2"]):
        done = CliRunner().invoke(_command(8), arguments)
        assert done.exit_code == 0 and "('o1', '--old2')" in done.stdout and "('o2', None)" in done.stdout
        assert "--old2 is now" not in done.stderr


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [
        ("retrieve", "--k", "--limit"),
        ("annotate", "--group-column", "--cluster"),
        ("kb generate", "--model", "--language-model"),
        ("pretrain extract", "--model", "--language-model"),
    ],
)
def test_the_names_of_the_last_version_still_work(command: str, old: str, new: str) -> None:
    done = CliRunner().invoke(main, [*command.split(), old, "3"])
    assert done.exit_code == 2 and f"{old} is now called {new}" in done.stderr and "No such option" not in done.stderr


# What is read, written or run differs from command to command, and so do the words for it.
OWN_WORDS = {
    "--answers", "--captions", "--classes", "--config", "--dry-run", "--embeddings", "--engine", "--images", "--index",
    "--k", "--knowledge", "--labels", "--model", "--output", "--report", "--seed", "--split", "--strict", "--train",
}  # fmt: skip


def test_an_option_that_several_commands_have_is_explained_in_the_same_words() -> None:
    words: defaultdict[str, set[str]] = defaultdict(set)
    for _, command in _commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.help:
                words[parameter.opts[0]].add(re.split(r"[.;:]|  ", parameter.help)[0])
    assert {name for name, said in words.items() if len(said) > 1} <= OWN_WORDS


def test_every_option_is_explained() -> None:
    for path, command in _commands():
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, f"{path} {parameter.opts[0]}"


def test_images_and_features_that_are_kept_can_be_switched_off_wherever_they_are_kept() -> None:
    for path, command in _commands():
        names = {name for parameter in command.params for name in parameter.opts}
        if "--cache-dir" in names and path != "doctor":
            assert "--no-cache" in names, path
