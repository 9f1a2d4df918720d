"""``zsderm annotate``: which visual concepts photographs show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsderm.cli.failures import end_strictly, print_failures
from zsderm.cli.help import CLASSES, IMAGES, OUTPUT, Command, option
from zsderm.cli.image_list import found_images
from zsderm.cli.options import (
    FILE,
    batch_option,
    cache_options,
    device_option,
    follow_links_option,
    image_column_option,
    images_option,
    json_option,
    loaded_encoder,
    model_option,
    strict_option,
)
from zsderm.cli.parameters import ResultFile
from zsderm.cli.talk import is_quiet, say
from zsderm.cli.terminal import print_table
from zsderm.errors import ImageError
from zsderm.wording import counted, none_of

if TYPE_CHECKING:
    from zsderm.tasks.concepts.annotation import ConceptScores


@click.command(cls=Command)
@images_option
@follow_links_option
@option(
    "--concepts",
    default="skincon",
    show_default=True,
    heading=CLASSES,
    help="skincon (clinical), derm7pt (dermoscopic), or your own .txt or .json file.",
)
@option(
    "--labels",
    type=FILE,
    heading=IMAGES,
    help="A table with a column for each concept (1, 0 or empty); gives an AUROC for each of them.",
)
@image_column_option
@option(
    "--cluster",
    old_names=("--group-column",),
    heading=IMAGES,
    help="A column of --labels such as patient_id: intervals draw patients, not images; none: images.  "
    "[default: patient_id or lesion_id]",
)
@model_option
@option("--output", "-o", type=ResultFile(".csv"), heading=OUTPUT, help="The file for the scores: .csv.")
@json_option
@strict_option
@device_option
@batch_option
@cache_options
def annotate(
    images: tuple[str, ...],
    follow_links: bool,
    concepts: str,
    labels: Path | None,
    image_column: str | None,
    cluster: str | None,
    model: str,
    output: Path | None,
    as_json: bool,
    strict: bool,
    device: str | None,
    batch_size: int,
    cache: Path | None,
) -> None:
    """Score which visual concepts each photograph shows.

    A score is the log-odds of phrases with the concept against the same phrases without it. A higher score means that
    the concept is more likely. Compare the scores of one concept between photographs, not the scores of different
    concepts. The table has one row for each image: image, a column for each concept, error. It goes to stdout, or to
    --output, with a manifest beside it; with --labels the AUROC of each concept goes to stdout instead.

    \b
    zsderm annotate photos/ --concepts skincon -o concepts.csv
    zsderm annotate photos/ --concepts derm7pt --labels labels.csv
    zsderm annotate photos/ --concepts my_concepts.txt
    """
    from zsderm.cli.command_line import command_manifest
    from zsderm.cli.image_groups import drawn_column
    from zsderm.image_table import ImageTable
    from zsderm.manifest_files import refuse_others_manifest, write_manifest
    from zsderm.tasks.concepts.agreement import agreement, concept_labels
    from zsderm.tasks.concepts.annotation import annotate as scores_of
    from zsderm.tasks.concepts.concept_list import ConceptVocabulary

    vocabulary = ConceptVocabulary.load(concepts)
    table = None if labels is None else ImageTable.read(labels, image_column)
    if output is not None:
        refuse_others_manifest(output)
    found = found_images(images, follow_links)
    drawn = ""
    if table is not None:  # before the work, so that a mistake shows early
        concept_labels(found.names, vocabulary.names, table)
        drawn = drawn_column(table, cluster)
    encoder = loaded_encoder(model, device)
    scores = scores_of(
        encoder,
        vocabulary,
        found.sources,
        batch_size=batch_size,
        cache=cache,
        progress=not is_quiet(),
    )
    if output is not None:
        scores.to_csv(output)
        settings = {"concepts": concepts, "names": list(vocabulary.names)}
        write_manifest(output, {"manifest": command_manifest(settings, encoder)})
        say(f"Written: {output}")
    elif table is None:
        print_table(scores.to_frame())
    _report_failures(scores)
    if table is not None:
        figures = agreement(scores, table, group_column=drawn)
        click.echo(json.dumps(figures.to_dict(), indent=2) if as_json else figures.to_markdown())
    if strict:
        end_strictly(len(scores.errors))


def _report_failures(scores: ConceptScores) -> None:
    """Say which images could not be read; exit code 1 when none could."""
    done = len(scores.images) - len(scores.errors)
    say(f"{counted(len(scores.images), 'image')}, {done} annotated with {counted(len(scores.concepts), 'concept')}")
    print_failures(scores.errors, "the column error")
    if not done:
        raise ImageError(f"{none_of(len(scores.images), 'image')} be read; what went wrong stands above")
