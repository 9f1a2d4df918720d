"""``zsderm pretrain home``: what the training images of an encoder look like to it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from zsderm.cli.help import Command
from zsderm.cli.options import FILE, data_root_option, device_option
from zsderm.cli.talk import say
from zsderm.optional_packages import requires


@click.command(cls=Command)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--config", type=FILE, required=True, help="The configuration that names its training images (YAML).")
@data_root_option()
@device_option
def home(folder: Path, config: Path, data_root: Path | None, device: str | None) -> None:
    """Measure what the training images of the encoder in FOLDER look like to it.

    This writes home.safetensors into FOLDER: mean and main directions of their embeddings. With it, classify
    names photographs that look like none of these images, such as a page of text or a cat. Training writes the
    file at its end; the average of several runs has none yet.

    \b
    zsderm pretrain home zsderm-mini --config pretrain/configs/mini.yaml --data-root DATA
    """
    if data_root is None:
        raise click.UsageError("Missing option '--data-root'.")
    with requires("zsderm[pretrain]"):
        settings = import_module("zsderm.pretrain.config").read_config(config)
        records = import_module("zsderm.pretrain.data.sources").read_records(settings, data_root)
        found = import_module("zsderm.pretrain.model.home").write_home(folder, settings, records, device)
    say(f"{found.images} training images; an image is familiar from {found.threshold:.2f} on")
    click.echo(folder / "home.safetensors")
