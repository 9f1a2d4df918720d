"""``zsderm pretrain narratives``: a model of what patients tell."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from zsderm.cli.help import Command
from zsderm.cli.pretrain.run_options import log_the_run, run_options
from zsderm.optional_packages import requires


@click.command(cls=Command)
@run_options()
def narratives(config: Path, data_root: Path | None, output: Path, overrides: dict[str, object]) -> None:
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
    log_the_run()
    click.echo(training.run_narratives(config, output, data_root, overrides))
