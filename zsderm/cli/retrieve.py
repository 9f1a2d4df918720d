"""``zsderm retrieve``: photographs for a text or a photograph, and recall on captions."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsderm.cli.failures import print_failures
from zsderm.cli.help import IMAGES, OUTPUT, Command, option
from zsderm.cli.image_list import found_images, print_passed_over
from zsderm.cli.image_lists import LISTS
from zsderm.cli.options import (
    FILE,
    batch_option,
    cache_options,
    device_option,
    follow_links_option,
    image_column_option,
    json_option,
    loaded_encoder,
    model_option,
)
from zsderm.cli.parameters import ResultFile
from zsderm.cli.query_image import query_image
from zsderm.cli.talk import is_quiet, say
from zsderm.cli.terminal import print_rows
from zsderm.errors import InputError
from zsderm.places import is_address, local_path
from zsderm.wording import agrees, counted

if TYPE_CHECKING:
    from zsderm.encoders import Encoder
    from zsderm.image_table import ImageTable
    from zsderm.images import ImageList
    from zsderm.report.contact_sheet import ContactSheet
    from zsderm.tasks.retrieval import EmbeddedIndex, ImageIndex


QUERY = "Query"


@click.command(cls=Command)
@option(
    "--index",
    heading=IMAGES,
    metavar="PATH",
    help="The photographs to search: a folder with all folders below it, or what zsderm embed has written.",
)
@follow_links_option
@option("--query", heading=QUERY, help="What to search for: a text in quotes, or an image file.")
@option("--captions", type=FILE, heading=IMAGES, help="A table with an image column and a column of captions.")
@option(
    "--caption-column",
    default="caption",
    show_default=True,
    heading=IMAGES,
    help="The column of --captions that holds the captions.",
)
@image_column_option
@option(
    "--limit",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    old_names=("--k",),
    heading=QUERY,
    help="How many lines are listed at most.",
)
@model_option
@option(
    "--output",
    "-o",
    type=ResultFile(".csv", ".html"),
    heading=OUTPUT,
    help="The file for what was found: .csv, or .html for a page of pictures.",
)
@json_option
@device_option
@batch_option
@cache_options
def retrieve(
    index: str | None,
    follow_links: bool,
    query: str | None,
    captions: Path | None,
    caption_column: str,
    image_column: str | None,
    limit: int,
    model: str,
    output: Path | None,
    as_json: bool,
    device: str | None,
    batch_size: int,
    cache: Path | None,
) -> None:
    """Find the photographs of a folder that are most like a text or another photograph.

    The index of the folder is built once and kept in the cache. It is built again after a photograph was added, removed
    or changed. Where --index is what zsderm embed has written, the rows of that are indexed, and photographs have the
    names that they have there. With --captions and --query, captions are found instead of photographs. With --captions
    and --index but no --query, recall at 1, 5, 10, 50 and 100 is measured, from images to captions and from captions to
    images.

    \b
    zsderm retrieve --index photos/ --query "pearly nodule with fine vessels" --output sheet.html
    zsderm retrieve --index photos/ --query photos/IMG_0001.jpg --limit 5
    zsderm retrieve --index embeddings/ --query "pearly nodule with fine vessels"
    zsderm retrieve --captions captions.csv --query photos/IMG_0001.jpg
    zsderm retrieve --index photos/ --captions captions.csv
    """
    from zsderm.image_table import ImageTable
    from zsderm.manifest_files import refuse_others_manifest

    if query is not None and (index is None) == (captions is None):
        raise click.UsageError("expected --query with either --index (finds photographs) or --captions (finds texts).")
    if query is None and (index is None or captions is None):
        raise click.UsageError("expected --query, or --index and --captions together to measure recall.")
    index = None if index is None else local_path(index) or index
    stored = index is not None and _is_stored(index)
    if query is None and stored:
        raise click.UsageError("expected --index with a folder of photographs to measure recall, not with embeddings.")
    if query is None and output is not None:
        raise click.UsageError("expected --output only with --query; recall goes to stdout.")
    if output is not None and output.suffix.lower() == ".csv":
        refuse_others_manifest(output)
    image = None if query is None else query_image(query)
    encoder = loaded_encoder(model, device)
    if query is None:
        assert index is not None and captions is not None
        table = ImageTable.read(captions, image_column)
        found = found_images([index], follow_links)
        _measure_recall(encoder, found, index, table, caption_column, as_json, batch_size, cache)
    elif captions is not None:
        texts = ImageTable.read(captions, image_column).column(caption_column)
        _find_captions(encoder, captions, texts, query, image, limit, output)
    else:
        assert index is not None
        opened = (
            _opened_embeddings(encoder, index, cache)
            if stored
            else _opened_folder(encoder, index, follow_links, batch_size, cache)
        )
        _find_images(encoder, opened, index, query, image, limit, output)


def _is_stored(index: str) -> bool:
    """Whether an index is what zsderm embed has written.

    Raises:
        InputError: photographs in a bucket, a list of them, or a data set of embeddings without its manifest.
    """
    from zsderm.embeddings import DatasetFolder, is_embeddings

    if os.path.isdir(index) and DatasetFolder.lacks_manifest(index):
        DatasetFolder.open(index)  # says what is missing
    if is_embeddings(index):
        return True
    if index.lower().endswith(LISTS):
        raise InputError(
            f"expected a folder of photographs, or what zsderm embed has written, but got '{index}'. Embed the "
            f"photographs it names: zsderm embed {index} -o rows/; then search them with --index rows/"
        )
    if is_address(index):
        raise InputError(
            f"expected embeddings in '{index}', but zsderm embed has written none there. Photographs in a bucket are "
            f"embedded first: zsderm embed {index} -o rows/; then search them with --index rows/"
        )
    return False


def _opened_folder(
    encoder: Encoder, folder: str, follow_links: bool, batch_size: int, cache: Path | None
) -> ImageIndex:
    from zsderm.tasks.retrieval.image_index import ImageIndex

    index = ImageIndex.open(
        encoder, folder, cache=cache, batch_size=batch_size, progress=not is_quiet(), follow_links=follow_links
    )
    print_passed_over(index.passed_over)
    made = "built" if index.rebuilt else "from the cache"
    say(f"{counted(len(index.paths), 'image')}, {len(index)} indexed ({made})")
    print_failures(index.errors)
    return index


def _opened_embeddings(encoder: Encoder, place: str, cache: Path | None) -> EmbeddedIndex:
    from zsderm.tasks.retrieval.embedded_index import EmbeddedIndex

    index = EmbeddedIndex.open(encoder, place, cache=cache, progress=not is_quiet())
    made = "built" if index.rebuilt else "from the cache" if cache else "all are looked at"
    found = "" if index.recall == 1 else f"; {index.recall:.0%} of the ten nearest are found, beside an exact search"
    say(f"{counted(index.images, 'image')}, {len(index)} indexed ({made}){found}")
    if index.failed:
        then = agrees(index.failed, "it was embedded", "they were embedded")
        say(f"{counted(index.failed, 'image')} could not be read when {then}.")
    return index


def _find_images(
    encoder: Encoder,
    index: ImageIndex | EmbeddedIndex,
    place: str,
    query: str,
    image: Path | str | None,
    k: int,
    output: Path | None,
) -> None:
    from zsderm.file_names import printable

    hits = index.by_text(query, k) if image is None else index.by_image(image, k)
    rows = [(hit.score, hit.path) for hit in hits]
    if not rows:
        say(f"Nothing found: there is no other photograph in {printable(place)} than the one that was asked for.")
    if output is not None and output.suffix.lower() == ".html":
        searched = f"{counted(len(index), 'photograph')} in {printable(place)}"
        _sheet(query, image, rows, searched, encoder.card.name).write(output)
        say(f"Written: {output}")
    else:
        _write_hits("image", rows, output, encoder)


def _find_captions(
    encoder: Encoder,
    captions: Path,
    cells: Sequence[str],
    query: str,
    image: Path | str | None,
    k: int,
    output: Path | None,
) -> None:
    from zsderm.tasks.retrieval.image_index import nearest_texts

    if output is not None and output.suffix.lower() == ".html":
        raise click.UsageError("expected --output .csv with --captions; a contact sheet is for photographs.")
    texts = [text for text in cells if text]
    if not texts:
        raise InputError(f"expected captions in {captions}, but all cells of the column are empty")
    _write_hits("caption", nearest_texts(encoder, texts, query if image is None else None, image, k), output, encoder)


def _measure_recall(
    encoder: Encoder,
    images: ImageList,
    folder: str,
    table: ImageTable,
    column: str,
    as_json: bool,
    batch_size: int,
    cache: Path | None,
) -> None:
    from zsderm.tasks.retrieval.captioned_images import CaptionedImages

    matched = CaptionedImages.match([Path(name) for name in images.names], table, column)
    if matched.without_caption:
        without = matched.without_caption
        which = f"{counted(without, 'image')} of {folder} {agrees(without, 'has', 'have')} no caption"
        say(f"{which}; {agrees(without, 'it is', 'they are')} left out.")
    report, errors = matched.recall(encoder, batch_size=batch_size, cache=cache, progress=not is_quiet())
    print_failures(errors)
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.to_markdown())


def _write_hits(what: str, rows: Sequence[tuple[float, str]], output: Path | None, encoder: Encoder) -> None:
    """The hits as CSV, best first: score and what was found; to stdout where there is no file."""
    from zsderm.cli.command_line import command_manifest
    from zsderm.csv_files import csv_file
    from zsderm.file_names import printable
    from zsderm.manifest_files import write_manifest

    table = [(f"{score:.4f}", printable(text)) for score, text in rows]
    if output is None:
        print_rows(("score", what), table)
        return
    with csv_file(output, ("score", what)) as file:
        file.write_all(table)
    write_manifest(output, {"manifest": command_manifest({}, encoder)})
    say(f"Written: {output}")


def _sheet(
    query: str, image: Path | str | None, rows: Sequence[tuple[float, str]], searched: str, model: str
) -> ContactSheet:
    from zsderm.report.contact_sheet import ContactSheet, Part, Strip, Tile

    tiles = [Tile(path, str(rank), score) for rank, (score, path) in enumerate(rows, start=1)]
    found = Part([Strip(tiles)], "Found", "Best first; the number is the cosine of query and photograph, from −1 to 1.")
    asked = [] if image is None else [Part([Strip([Tile(str(image), "query")])], "Query")]
    title = Path(image).name if image is not None else f"“{query}”"
    lead = f"The {len(rows)} most like it, of {searched}. Encoder {model}."
    return ContactSheet("zsderm retrieve", title, lead, [*asked, found])
