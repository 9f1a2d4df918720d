"""``zsderm pretrain``: hand a configuration file to the pretraining room."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from zsderm.cli.parameters import Setting
from zsderm.errors import MissingDependencyError


@click.command()
@click.option(
    "--config",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Configuration (YAML).",
)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Folder for the checkpoint.")
@click.option("--set", "overrides", multiple=True, type=Setting(), help="Override one setting of the configuration.")
def pretrain(config: Path, output: Path | None, overrides: tuple[tuple[str, object], ...]) -> None:
    """Train an encoder from a configuration file.

    \b
    zsderm pretrain --config pretrain/configs/mini.yaml
    zsderm pretrain --config pretrain/configs/mini.yaml --set epochs=1 --output runs/trial
    """
    try:
        train = import_module("zsderm.pretrain.train")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("zsderm"):
            raise
        raise MissingDependencyError(
            f"pretraining needs the package {error.name}, which is not installed; pip install 'zsderm[pretrain]'"
        ) from error
    train.run(config, dict(overrides), output)
