"""Options that the measuring commands share: model, data folder, split, and a folder for image embeddings."""

from __future__ import annotations

from pathlib import Path

import click

from zsderm.config import DEFAULT_MODEL

_FOLDER = click.Path(file_okay=False, path_type=Path)

model_option = click.option("--model", default=DEFAULT_MODEL, show_default=True)
data_root_option = click.option("--data-root", type=_FOLDER, envvar="ZSDERM_DATA", required=True)
split_option = click.option("--split", default="dev", show_default=True)
cache_dir_option = click.option("--cache-dir", type=_FOLDER, help="Keeps image embeddings.")
