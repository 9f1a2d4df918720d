"""``zsderm embed``: photographs in, embeddings out, for those who want only that."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import click

from zsderm.cli.failures import end_strictly
from zsderm.cli.help import OUTPUT, Command, option
from zsderm.cli.image_list import check_images, print_passed_over
from zsderm.cli.image_sources import once
from zsderm.cli.options import (
    batch_option,
    cache_options,
    device_option,
    follow_links_option,
    image_column_option,
    images_option,
    loaded_encoder,
    model_option,
    strict_option,
    views_option,
)
from zsderm.cli.parameters import ResultFile
from zsderm.cli.talk import is_quiet, say
from zsderm.errors import ImageError
from zsderm.places import path_or_address
from zsderm.wording import counted, none_of


@click.command(cls=Command)
@images_option
@follow_links_option
@image_column_option
@option(
    "--output",
    "-o",
    required=True,
    type=ResultFile(".npy", ".parquet"),
    heading=OUTPUT,
    help="The file for the embeddings: .npy or .parquet.",
)
@model_option
@strict_option
@views_option
@device_option
@batch_option
@cache_options
def embed(
    *,
    images: tuple[str, ...],
    follow_links: bool,
    image_column: str | None,
    output: Path,
    model: str,
    strict: bool,
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
    zsderm embed photos/ -o embeddings.npy
    zsderm embed photos/ -o embeddings.parquet --model hf-hub:xieji-x/MAKE
    zsderm embed "photos/**/*.jpg" -o embeddings.npy
    zsderm embed list.parquet --image-column file -o embeddings.npy
    zsderm embed s3://bucket/photos/ -o embeddings.parquet
    """
    from zsderm.cli.command_line import command_line
    from zsderm.embeddings import write_embeddings
    from zsderm.images import walk
    from zsderm.manifest_files import run_facts

    check_images(images)
    started = time.monotonic()
    encoder = loaded_encoder(model, device)
    passed_over: Counter[str] = Counter()
    paths = walk(images, follow_links=follow_links, passed_over=passed_over)
    count, failed = write_embeddings(
        output,
        encoder,
        paths if len(images) == 1 else map(path_or_address, once(map(str, paths))),
        passed_over=passed_over,
        views=views,
        batch_size=batch_size,
        cache=cache,
        progress=not is_quiet(),
        run=run_facts(command_line()),
    )
    seconds = time.monotonic() - started
    print_passed_over(passed_over)
    done = f"{count - failed} of {counted(count, 'image')}"
    say(f"{done} embedded by {model} ({encoder.fingerprint}), {seconds:.1f} s")
    say(f"Written: {output}")
    if failed == count:
        raise ImageError(f"{none_of(count, 'image')} be read; what went wrong stands in the file")
    if strict:
        end_strictly(failed)
