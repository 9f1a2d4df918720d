"""Embeddings in the place of photographs, for commands that answer: the option, and what it does not go with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from zsderm.cli.help import IMAGES, option
from zsderm.cli.image_list import found_images
from zsderm.cli.stored_images import EmbeddingsPlace

if TYPE_CHECKING:
    from zsderm.embeddings import StoredEmbeddings
    from zsderm.images import ImageList

Command = TypeVar("Command", bound=Callable[..., object])

# Options that need the photographs themselves, and why.
_OF_PHOTOGRAPHS = {
    "explain": "heat maps cover one place of a photograph after another, which embeddings no longer show",
    "follow_links": "no folders of photographs are gone through",
}
_SUPERVISED = "supervised:"  # the prefix of zsderm.encoders.base, which takes torch to import


def or_embeddings(images_option: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Options for images, or --embeddings in their place: the command gets ``images`` and ``embeddings``, one empty."""

    def added(command: Command) -> Command:
        with_images = images_option(command)

        @wraps(with_images)
        def wrapped(
            *arguments: Any,
            photographs: tuple[str, ...],
            images: tuple[str, ...],
            embeddings: Path | str | None,
            **options: Any,
        ) -> object:
            if embeddings is None:
                given = {"photographs": photographs, "images": images}
                return with_images(*arguments, **given, embeddings=None, **options)
            if photographs or images:
                raise click.UsageError(
                    "--embeddings stands in the place of IMAGE... and --images: name either of them."
                )
            return command(*arguments, images=(), embeddings=embeddings, **options)

        named = option(
            "--embeddings",
            type=EmbeddingsPlace(),
            heading=IMAGES,
            help="Instead of images: what zsderm embed wrote of them, a file or a folder. Photographs are not needed.",
        )
        return cast("Command", named(wrapped))

    return added


def images_or_embeddings(context: click.Context, options: Mapping[str, Any]) -> ImageList | StoredEmbeddings:
    """The photographs that paths mean; or embeddings, read and held against what their file says.

    Args:
        context: of the command; it knows what was said and what is a default.
        options: the values of `zsderm.cli.options.classifier_options`.

    Raises:
        UsageError: embeddings, and an option that needs photographs.
        ImageError: see `zsderm.cli.image_list.found_images`.
        InputError: no embeddings, or a data set of them that is not finished.
    """
    embeddings = options["embeddings"]
    if embeddings is None:
        return found_images(options["images"], options["follow_links"])
    given = [name for name in context.params if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
    for name, why in _OF_PHOTOGRAPHS.items():
        if name in given:
            raise click.UsageError(f"--{name.replace('_', '-')} cannot be given with --embeddings: {why}.")
    if options["model"].startswith(_SUPERVISED):
        raise click.UsageError(
            "--model supervised:FOLDER cannot be given with --embeddings: its network answers from photographs, and "
            "embeddings are of another."
        )
    from zsderm.embeddings import is_embeddings, read_embeddings
    from zsderm.errors import InputError

    if not is_embeddings(embeddings):
        raise InputError(
            f"expected embeddings in '{embeddings}', a file ending in .npy or .parquet or a folder that zsderm embed "
            "wrote, but it is none of them. Make them with: zsderm embed IMAGE... -o FOLDER/"
        )
    return read_embeddings(embeddings)
