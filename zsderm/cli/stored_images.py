"""What earlier runs wrote, as a command is given it: embeddings of ``zsderm embed``, answers of ``zsderm classify``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from zsderm.cli.help import option
from zsderm.cli.image_lists import TABLES
from zsderm.places import local_path


class _StoredPlace(click.ParamType):
    """A file or folder that is there, or an address with "://", which stays text; a file:// address is a path."""

    name = "file|folder"
    made_with = ""  # the command that writes what is expected

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """A shell completes names of files and folders."""
        return [CompletionItem(incomplete, type="file")]

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """The path or address, or a usage error where nothing is at the path."""
        path = local_path(str(value))
        if path is None and "://" in str(value):
            return str(value)
        if not os.path.exists(path or value):
            self.fail(f"there is no {str(value)!r}. Make it with: {self.made_with}", param, ctx)
        return Path(path or value)


class EmbeddingsPlace(_StoredPlace):
    """Where embeddings are, see `_StoredPlace`."""

    made_with = "zsderm embed"


class PredictionsPlace(_StoredPlace):
    """Where predictions are, see `_StoredPlace`; in a bucket only the folder of a data set of answers is read."""

    made_with = "zsderm classify -o"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """As `_StoredPlace` does; a table in a bucket is wrong usage."""
        place = super().convert(value, param, ctx)
        if isinstance(place, str) and place.lower().endswith(TABLES):
            self.fail(
                "a table of predictions is read from a disk: copy it here first. In a bucket, name the folder that "
                "zsderm classify -o s3://bucket/answers/ wrote.",
                param,
                ctx,
            )
        return place


def embeddings_option(heading: str) -> Callable[[Any], Any]:
    """--embeddings; the command gets a path, an address or None.

    Args:
        heading: in ``--help``.
    """
    return option(
        "--embeddings",
        type=EmbeddingsPlace(),
        heading=heading,
        help="What zsderm embed wrote of these images, a file or a folder: they are not encoded again.",
    )


def refuse_several_encoders(embeddings: Path | str | None, models: tuple[str, ...]) -> None:
    """Refuse --embeddings together with models that cannot all have made them.

    Raises:
        UsageError: several models, or one that is no encoder.
    """
    if embeddings is None:
        return
    if len(set(models)) > 1:
        raise click.UsageError("--embeddings are of one encoder; run the command once for each --model.")
    if models[0].partition(":")[0] in ("supervised", "openai", "transformers"):
        raise click.UsageError(f"--embeddings are of an encoder, which {models[0].partition(':')[0]}: is not.")
