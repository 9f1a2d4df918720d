"""Photographs into a data set of embeddings, for the command that does that alone and for one that answers then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from zsderm.cli.help import KEPT
from zsderm.cli.image_list import check_images, print_passed_over
from zsderm.cli.image_sources import once
from zsderm.cli.talk import is_quiet, say
from zsderm.wording import agrees, counted

if TYPE_CHECKING:
    from zsderm.cli.engines import EngineChoice
    from zsderm.embeddings import DatasetFolder, Engine, StoredEmbeddings

# What does not go with embeddings that are made first, and why.
_NOT_WITH = {
    "embeddings": "these are embeddings already",
    "explain": "heat maps are made where the photographs are read; classify some of them without it",
    "fitted": "the encoder is not known before it is loaded; use zsderm embed --engine ray, and then classify "
    "--embeddings FOLDER/ --fitted",
}


def into_dataset(
    context: click.Context,
    output: str,
    encoder: Any,
    images: Any,
    part_rows: int | None,
    how: Mapping[str, Any],
    engine: Engine | Mapping[str, Any],
) -> tuple[int, int, str]:
    """Embed images into a data set, and say which parts were there.

    Args:
        context: of the command; learns what is kept if it is stopped.
        output: the folder, or its address.
        encoder: gives the rows.
        images: paths, gone through once.
        part_rows: rows of a part; None for as many as are usual.
        how: further arguments of `zsderm.embeddings.embed_dataset`.
        engine: makes the parts, or the arguments of the local one.

    Returns:
        How many images there are, how many of them failed, and how many parts were made, in words.
    """
    from zsderm.embeddings import LocalEngine, embed_dataset
    from zsderm.embeddings.dataset_folder import PART_ROWS
    from zsderm.places import folder_at

    said: list[str] = []

    def begun(dataset: DatasetFolder, missing: int) -> None:
        there = dataset.facts.parts - missing
        of_all = f"{there} of {counted(dataset.facts.parts, 'part')}"
        were = f"; {of_all} {agrees(there, 'was', 'were')} there, {missing} made"
        said.append(were if there else f"; {counted(missing, 'part')} made")
        if there and missing:
            say(f"{of_all} {agrees(there, 'is', 'are')} there already; going on with the others")
        if part_rows is not None and dataset.facts.part_rows != part_rows:
            say(f"Note: this data set was begun with --part-rows {dataset.facts.part_rows}, and keeps it.")

    context.meta[KEPT] = f"Complete parts stay in '{folder_at(output)}': the same command goes on with the others."
    if isinstance(engine, Mapping):
        engine = LocalEngine(encoder, **engine)
    dataset = embed_dataset(
        output, encoder, images, engine=engine, part_rows=part_rows or PART_ROWS, begun=begun, **how
    )
    return dataset.facts.images, (dataset.finished or {})["failed"], "".join(said)


def embedded_first(context: click.Context, options: Mapping[str, Any]) -> StoredEmbeddings:
    """Embed the photographs by the engine that was asked for, into a data set beside the output; then read it.

    Args:
        context: of the command; it knows what was said and what is a default.
        options: the values of `zsderm.cli.options.classifier_options`, and ``engine``.

    Raises:
        UsageError: no output, or an option that does not go with this.
        SettingsError: see `zsderm.embeddings.embed_dataset`.
    """
    engine: EngineChoice = options["engine"]
    given = [name for name in context.params if context.get_parameter_source(name) is not ParameterSource.DEFAULT]
    for name, why in _NOT_WITH.items():
        if name in given:
            raise click.UsageError(f"--{name} cannot be given with --engine ray: {why}.")
    if options["model"].startswith("supervised:"):
        raise click.UsageError("--model supervised:FOLDER cannot be given with --engine ray: it makes no embeddings.")
    output = context.params["output"]
    if output is None:
        raise click.UsageError("--engine ray needs --output: the embeddings are kept beside it.")
    from zsderm.cli.command_line import command_line
    from zsderm.cli.options import loaded_encoder
    from zsderm.embeddings import DatasetFolder, read_embeddings
    from zsderm.images import walk
    from zsderm.manifest_files import run_facts
    from zsderm.places import path_or_address

    place = place_beside(output)
    DatasetFolder.refuse_others(place)
    images, model, device = options["images"], options["model"], options["device"]
    check_images(images)
    started = time.monotonic()
    passed_over: Counter[str] = Counter()
    with engine.running(place, model, device, options["batch_size"], options["cache"]) as made_by:
        encoder = loaded_encoder(model, device)
        paths = walk(images, follow_links=options["follow_links"], passed_over=passed_over)
        named = paths if len(images) == 1 else map(path_or_address, once(map(str, paths)))
        how = {"passed_over": passed_over, "views": options["views"], "progress": not is_quiet()}
        how["run"] = run_facts(command_line())
        count, failed, parts = into_dataset(context, place, encoder, named, None, how, made_by or {})
    print_passed_over(passed_over)
    say(f"{count - failed} of {counted(count, 'image')} embedded, {time.monotonic() - started:.1f} s{parts}")
    say(f"Written: {place}")
    return read_embeddings(place, encoder)


def place_beside(output: Path | str) -> str:
    """Where the embeddings of an output lie: ``predictions.csv.embeddings``, or ``answers.embeddings``."""
    return f"{str(output).rstrip('/')}.embeddings"
