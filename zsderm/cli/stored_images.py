"""Embeddings of photographs that an earlier ``zsderm embed`` wrote, in place of encoding the photographs again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from zsderm.cli.help import option


class EmbeddingsPlace(click.ParamType):
    """Where embeddings are: a file or folder that is there, or an address with "://", which stays text."""

    name = "file|folder"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """A shell completes names of files and folders."""
        return [CompletionItem(incomplete, type="file")]

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        """The path or address, or a usage error where nothing is at the path."""
        if "://" in str(value):
            return str(value)
        if not os.path.exists(value):
            self.fail(f"there is no {str(value)!r}. Make it with: zsderm embed", param, ctx)
        return Path(value)


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
