"""``zsderm pretrain supervised``: the image baseline."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path

import click

from zsderm.cli.help import Command
from zsderm.cli.options import FILE, data_root_option
from zsderm.cli.parameters import Setting
from zsderm.cli.talk import is_quiet
from zsderm.optional_packages import requires


@click.command(cls=Command)
@click.option("--config", type=FILE, required=True, help="The configuration of a run (YAML).")
@data_root_option()
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    show_default="runs/NAME-OF-CONFIG",
    help="The folder of the run. A run that was stopped continues where it was.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    type=Setting(),
    help="Change one setting of the configuration; a.b=value for one inside another. May be repeated.",
)
def supervised(
    config: Path, data_root: Path | None, output: Path | None, overrides: tuple[tuple[str, object], ...]
) -> None:
    """Fine-tune an image tower on labelled images: the baseline that zero-shot answers are compared with.

    The images are a table with a column "label", or a folder with one sub-folder for each class. One line for each
    epoch goes to stderr. The folder of the classifier goes to stdout; name it as --model supervised:FOLDER of
    classify, calibrate or benchmark. No trained classifier comes with the package.

    \b
    zsderm pretrain supervised --config pretrain/configs/supervised_lite0.yaml --data-root DATA
    zsderm pretrain supervised --config pretrain/configs/supervised_lite0.yaml --data-root DATA \\
        --set 'train=[{"table": "photos"}]' --set evaluate=[] --output runs/photos
    """
    with requires("zsderm[pretrain]", "pretraining"):
        train = import_module("zsderm.pretrain.supervised.train")
    level = logging.WARNING if is_quiet() else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    click.echo(train.run_supervised(config, output or Path("runs") / config.stem, data_root, dict(overrides)))
