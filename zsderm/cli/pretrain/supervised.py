"""``zsderm pretrain supervised``: the image baseline."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from zsderm.cli.help import Command
from zsderm.cli.pretrain.run_options import log_the_run, run_options
from zsderm.optional_packages import requires


@click.command(cls=Command)
@run_options()
def supervised(config: Path, data_root: Path | None, output: Path, overrides: dict[str, object]) -> None:
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
    log_the_run()
    click.echo(train.run_supervised(config, output, data_root, overrides))
