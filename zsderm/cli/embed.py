"""``zsderm embed``: photographs in, embeddings out, for those who want only that."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from pathlib import Path

import click

from zsderm.cli.help import OUTPUT, Command, option
from zsderm.cli.image_list import check_one_opens, print_passed_over
from zsderm.cli.options import (
    batch_option,
    cache_options,
    device_option,
    follow_links_option,
    images_option,
    model_option,
    views_option,
)
from zsderm.cli.parameters import ResultFile
from zsderm.errors import ImageError


@click.command(cls=Command)
@images_option
@follow_links_option
@option(
    "--output",
    required=True,
    type=ResultFile(".npy", ".parquet"),
    heading=OUTPUT,
    help="The file for the embeddings: .npy or .parquet.",
)
@model_option
@views_option
@device_option
@batch_option
@cache_options
def embed(
    *,
    images: tuple[str, ...],
    follow_links: bool,
    output: Path,
    model: str,
    views: int | None,
    device: str | None,
    batch_size: int,
    cache: Path | None,
) -> None:
    """Write the embedding of each photograph to a file: unit rows of float32, in the order of the folder.

    A .parquet file has the columns image, embedding and error; the encoder's name and fingerprint, the number of views,
    what was passed over in the folders, and the command line, time and commit are in its metadata.
    Beside a .npy file two files of the same name are written: a .csv (image, error; one line for each row) and a .json
    with what a .parquet file has in its metadata. An image that cannot be read has a null (.parquet) or a row of NaN
    (.npy), and a reason. The exit code is 0 if at least one image was embedded.

    \b
    zsderm embed --images photos/ --output embeddings.npy
    zsderm embed --images photos/ --output embeddings.parquet --model hf-hub:xieji-x/MAKE
    """
    from zsderm.cli.command_line import command_line
    from zsderm.embeddings import write_embeddings
    from zsderm.encoders import load_encoder
    from zsderm.images import walk
    from zsderm.manifest_files import run_facts

    if not any(map(os.path.isdir, images)):  # a folder is gone through as it is embedded: it may be of any size
        check_one_opens(images)
    started = time.monotonic()
    encoder = load_encoder(model, device)
    passed_over: Counter[str] = Counter()
    count, failed = write_embeddings(
        output,
        encoder,
        walk(images, follow_links=follow_links, passed_over=passed_over),
        passed_over=passed_over,
        views=views,
        batch_size=batch_size,
        cache=cache,
        progress=sys.stderr.isatty(),
        run=run_facts(command_line()),
    )
    seconds = time.monotonic() - started
    print_passed_over(passed_over)
    done = f"{count - failed} of {count} {'image' if count == 1 else 'images'}"
    click.echo(f"{done} embedded by {model} ({encoder.fingerprint}), {seconds:.1f} s", err=True)
    click.echo(f"Written: {output}", err=True)
    if failed == count:
        raise ImageError(f"none of the {count} images could be read; the reasons are in the file")
