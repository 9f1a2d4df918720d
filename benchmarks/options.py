"""Options that the measuring commands share: model, data, split, folders for embeddings and runs, and the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from zsderm.config import DEFAULT_MODEL

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_PAGE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _settings(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """Settings by name."""
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError as error:
            raise click.BadParameter(f"expected name=JSON, but got {text!r}") from error
    return found


model_option = click.option("--model", default=DEFAULT_MODEL, show_default=True)
data_root_option = click.option("--data-root", type=_FOLDER, envvar="ZSDERM_DATA", required=True)
split_option = click.option("--split", default="dev", show_default=True)
cache_dir_option = click.option("--cache-dir", type=_FOLDER, help="Keeps image embeddings.")
output_option = click.option("--output", type=_FILE, help="JSON file with every figure.")
runs_option = click.option("--runs", type=_FOLDER, required=True, help="Folder for the runs.")
document_option = click.option("--document", type=_PAGE, help="Page for the tables.")
overrides_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=_settings,
    help="A setting of the recipe, name=JSON; may repeat.",
)
