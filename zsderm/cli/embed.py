"""``zsderm embed``: photographs in, embeddings out, for those who want only that."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsderm.cli.embedded_first import into_dataset
from zsderm.cli.engines import EngineChoice, engine_options
from zsderm.cli.failures import end_strictly
from zsderm.cli.help import OUTPUT, RARE, Command, option
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
from zsderm.cli.parameters import ResultPlace
from zsderm.cli.talk import is_quiet, say
from zsderm.errors import ImageError
from zsderm.places import path_or_address
from zsderm.wording import counted, none_of

if TYPE_CHECKING:
    pass


@click.command(cls=Command)
@images_option
@follow_links_option
@image_column_option
@option(
    "--output",
    "-o",
    required=True,
    type=ResultPlace(".npy", ".parquet"),
    heading=OUTPUT,
    help="The file for the embeddings, .npy or .parquet; or a folder, for a data set of many .parquet files.",
)
@model_option
@strict_option
@views_option
@device_option
@batch_option
@cache_options
@engine_options
@option(
    "--part-rows",
    type=click.IntRange(min=1),
    heading=RARE,
    help="How many rows each file of a data set has: what a run that is stopped loses at most.  [default: 2048]",
)
@click.pass_context
def embed(
    context: click.Context,
    *,
    images: tuple[str, ...],
    follow_links: bool,
    image_column: str | None,
    output: Path | str,
    model: str,
    strict: bool,
    views: int | None,
    device: str | None,
    batch_size: int,
    cache: Path | None,
    engine: EngineChoice,
    part_rows: int | None,
) -> None:
    """Write the embedding of each photograph to a file: unit rows of float32, in the order of the folder.

    A .parquet file has the columns image, embedding and error; the encoder's name and fingerprint, the number of views,
    what was passed over in the folders, and the command line, time and commit are in its metadata.
    Beside a .npy file two files of the same name are written: a .csv (image, error; one line for each row) and a .json
    with what a .parquet file has in its metadata. An image that cannot be read has a null (.parquet) or a row of NaN
    (.npy), and a reason. The exit code is 0 if at least one image was embedded.

    A folder becomes a data set of many .parquet files, for more photographs than one run or one file should hold. A
    run that was stopped is started again with the same command and goes on where it was: docs/scale.md.

    \b
    zsderm embed photos/ -o embeddings.npy
    zsderm embed photos/ -o embeddings.parquet --model hf-hub:xieji-x/MAKE
    zsderm embed archive/ -o embeddings/
    zsderm embed "photos/**/*.jpg" -o embeddings.npy
    zsderm embed list.parquet --image-column file -o embeddings.npy
    zsderm embed s3://bucket/photos/ -o s3://bucket/embeddings/
    zsderm embed archive/ -o embeddings/ --engine ray --ray-address 10.0.0.1:6379
    """
    from zsderm.cli.command_line import command_line
    from zsderm.embeddings import DatasetFolder, write_embeddings
    from zsderm.images import walk
    from zsderm.manifest_files import run_facts
    from zsderm.places import folder_at

    if part_rows is not None and isinstance(output, Path):
        raise click.UsageError("--part-rows is for a data set, which -o FOLDER/ writes; a single file has no parts.")
    if engine.is_ray and isinstance(output, Path):
        raise click.UsageError("--engine ray writes a data set: give -o a folder, as in -o embeddings/")
    if isinstance(output, str):
        DatasetFolder.refuse_others(output)
    check_images(images)
    started = time.monotonic()
    made_by = context.with_resource(engine.running(output, model, device, batch_size, cache))
    encoder = loaded_encoder(model, device)
    passed_over: Counter[str] = Counter()
    paths = walk(images, follow_links=follow_links, passed_over=passed_over)
    named = paths if len(images) == 1 else map(path_or_address, once(map(str, paths)))
    how: dict[str, Any] = {"passed_over": passed_over, "views": views, "progress": not is_quiet()}
    how["run"] = run_facts(command_line())
    reading: dict[str, Any] = {"batch_size": batch_size, "cache": cache}
    parts = ""
    if isinstance(output, Path):
        count, failed = write_embeddings(output, encoder, named, **how, **reading)
    else:
        count, failed, parts = into_dataset(context, output, encoder, named, part_rows, how, made_by or reading)
    seconds = time.monotonic() - started
    print_passed_over(passed_over)
    done = f"{count - failed} of {counted(count, 'image')}"
    say(f"{done} embedded by {model} ({encoder.fingerprint}), {seconds:.1f} s{parts}")
    say(f"Written: {output if isinstance(output, Path) else folder_at(output)}")
    if failed == count:
        raise ImageError(f"{none_of(count, 'image')} be read; what went wrong stands in the file")
    if strict:
        end_strictly(failed)
