"""``zsderm pretrain average``: one encoder out of several runs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from zsderm.cli.help import Command
from zsderm.cli.parameters import ResultFolder
from zsderm.optional_packages import requires

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(cls=Command)
@click.argument("folders", nargs=-1, required=True, type=FOLDER)
@click.option("--output", "-o", type=ResultFolder(new=True), required=True, help="The new folder.")
@click.option(
    "--answer-temperature",
    type=float,
    default=0.0,
    show_default="the geometric mean of theirs",
    help="Softmax temperature that the encoder answers with.",
)
def average(folders: tuple[Path, ...], output: Path, answer_temperature: float) -> None:
    """Average the weights of the encoders in FOLDERS, as training exports them.

    They have to come from runs of one recipe that began with the same weights; their data or seeds may differ.

    \b
    zsderm pretrain average runs/one/encoder runs/two/encoder --output runs/mean
    """
    with requires("zsderm[pretrain]"):
        soup = import_module("zsderm.pretrain.model.soup")
    soup.average_encoders(folders, output, answer_temperature)
    click.echo(output)
