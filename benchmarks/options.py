"""Options that the measuring commands share: model, data folder, split, a folder for embeddings, and the results."""

from __future__ import annotations

from pathlib import Path

import click

from zsderm.config import DEFAULT_MODEL

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_PAGE = click.Path(exists=True, dir_okay=False, path_type=Path)

model_option = click.option("--model", default=DEFAULT_MODEL, show_default=True)
data_root_option = click.option("--data-root", type=_FOLDER, envvar="ZSDERM_DATA", required=True)
split_option = click.option("--split", default="dev", show_default=True)
cache_dir_option = click.option("--cache-dir", type=_FOLDER, help="Keeps image embeddings.")
output_option = click.option("--output", type=_FILE, help="JSON file with every figure.")
document_option = click.option("--document", type=_PAGE, help="Page for the tables.")
