"""``zsderm pretrain narratives``: a model of what patients tell."""

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
    help="Change one setting of the configuration. May be repeated.",
)
def narratives(
    config: Path, data_root: Path | None, output: Path | None, overrides: tuple[tuple[str, object], ...]
) -> None:
    """Train a model that reads patients' stories, with lists of options (Chain of Options).

    One line for each epoch goes to stderr. The folder of the model goes to stdout. Stories that come with the
    package need no --data-root.

    \b
    zsderm pretrain narratives --config pretrain/configs/narratives.yaml
    zsderm pretrain narratives --config pretrain/configs/narratives.yaml --set options=none -o runs/none
    zsderm pretrain narratives --config pretrain/configs/narratives_pad.yaml --data-root DATA --set fold=1
    """
    with requires("zsderm[pretrain]", "pretraining"):
        training = import_module("zsderm.pretrain.narratives.training")
    level = logging.WARNING if is_quiet() else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for other in ("httpx", "httpx2", "sentence_transformers"):  # lines on requests, and on a folder that is gone after
        logging.getLogger(other).setLevel(logging.WARNING)
    click.echo(training.run_narratives(config, output or Path("runs") / config.stem, data_root, dict(overrides)))
