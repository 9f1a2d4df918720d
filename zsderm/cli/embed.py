"""``zsderm embed``: photographs in, embeddings out, for those who want only that."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from zsderm.cli.parameters import ResultFile, cache_option
from zsderm.errors import ImageError


@click.command()
@click.option("--images", required=True, multiple=True, help="A folder, searched in depth, or an image; may repeat.")
@click.option("--output", required=True, type=ResultFile(".npy", ".parquet"), help="The file: .npy or .parquet.")
@click.option("--model", default="zsderm-mini", show_default=True, help="An encoder; see: zsderm models list.")
@click.option("--device", help="cpu, cuda or mps.  [default: the fastest there is]")
@click.option("--batch-size", default=64, show_default=True, type=click.IntRange(min=1), help="Images encoded at once.")
@cache_option
@click.option("--no-cache", is_flag=True, help="Keep no image features.")
def embed(
    *,
    images: tuple[str, ...],
    output: Path,
    model: str,
    device: str | None,
    batch_size: int,
    cache_dir: Path,
    no_cache: bool,
) -> None:
    """Write the embedding of each photograph to a file: unit rows of float32, in the order of the folder.

    A .parquet file has the columns image, embedding and error, and the encoder's name and fingerprint in its metadata.
    Beside a .npy file lie a .csv of the same name (image, error; one line a row) and a .json with the encoder. An image
    that cannot be read has a null or a row of NaN, and its reason. Exit code 0 when at least one image was embedded.

    \b
    zsderm embed --images photos/ --output embeddings.npy
    zsderm embed --images photos/ --output embeddings.parquet --model hf-hub:xieji-x/MAKE
    """
    from zsderm.embeddings import write_embeddings
    from zsderm.encoders import load_encoder
    from zsderm.images import walk

    started = time.monotonic()
    encoder = load_encoder(model, device)
    count, failed = write_embeddings(
        output,
        encoder,
        walk(images),
        batch_size=batch_size,
        cache=None if no_cache else cache_dir,
        progress=sys.stderr.isatty(),
    )
    seconds = time.monotonic() - started
    click.echo(
        f"{count - failed} of {count} images embedded by {model} ({encoder.fingerprint}), {seconds:.1f} s", err=True
    )
    click.echo(f"Written: {output}", err=True)
    if failed == count:
        raise ImageError(f"none of the {count} images could be read; the reasons are in the file")
