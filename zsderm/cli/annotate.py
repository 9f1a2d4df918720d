"""``zsderm annotate``: which visual concepts photographs show."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsderm.cli.parameters import ResultFile, cache_option
from zsderm.errors import ImageError

if TYPE_CHECKING:
    from zsderm.tasks.concepts.annotation import ConceptScores

_SHOWN = 8  # reasons listed in the summary; the table has them all


@click.command()
@click.option("--images", required=True, multiple=True, help="A folder, searched in depth, or an image; may repeat.")
@click.option(
    "--concepts",
    default="skincon",
    show_default=True,
    help="skincon (clinical), derm7pt (dermoscopic), or a .txt or .json file of one's own.",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV table with a column per concept (1, 0 or empty): gives an AUROC for each.",
)
@click.option("--group-column", default="", help="Column of --labels with patients or lesions, for the interval.")
@click.option("--model", default="zsderm-mini", show_default=True, help="An encoder; see: zsderm models list.")
@click.option("--output", type=ResultFile(".csv"), help="The scores: .csv.")
@click.option("--json", "as_json", is_flag=True, help="With --labels: print JSON instead of a table.")
@click.option("--device", help="cpu, cuda or mps.  [default: the fastest there is]")
@click.option("--batch-size", default=64, show_default=True, type=click.IntRange(min=1), help="Images encoded at once.")
@cache_option
@click.option("--no-cache", is_flag=True, help="Keep no image features.")
def annotate(
    images: tuple[str, ...],
    concepts: str,
    labels: Path | None,
    group_column: str,
    model: str,
    output: Path | None,
    as_json: bool,
    device: str | None,
    batch_size: int,
    cache_dir: Path,
    no_cache: bool,
) -> None:
    """Score which visual concepts each photograph shows.

    A score is the log-odds of phrases that say the concept against the same phrases without it: the higher, the more.
    Scores rank photographs within a concept; between concepts they are not calibrated. The table has one row per
    image: image, a column per concept, error. It goes to stdout unless --output names a file; with --labels stdout
    has the AUROC per concept instead.

    \b
    zsderm annotate --images photos/ --concepts skincon --output concepts.csv
    zsderm annotate --images photos/ --concepts derm7pt --labels labels.csv
    zsderm annotate --images photos/ --concepts my_concepts.txt
    """
    from zsderm import load_encoder
    from zsderm.image_table import ImageTable
    from zsderm.images import find
    from zsderm.tasks.concepts.agreement import agreement
    from zsderm.tasks.concepts.annotation import annotate as scores_of
    from zsderm.tasks.concepts.concept_list import ConceptVocabulary

    vocabulary = ConceptVocabulary.load(concepts)
    table = None if labels is None else ImageTable.read(labels)  # before the work, so that a mistake shows early
    scores = scores_of(
        load_encoder(model, device),
        vocabulary,
        find(images),
        batch_size=batch_size,
        cache=None if no_cache else cache_dir,
        progress=sys.stderr.isatty(),
    )
    if output is not None:
        scores.to_csv(output)
        click.echo(f"Written: {output}", err=True)
    elif table is None:
        scores.to_frame().to_csv(sys.stdout, index=False)
    _report_failures(scores)
    if table is not None:
        figures = agreement(scores, table, group_column=group_column)
        click.echo(json.dumps(figures.to_dict(), indent=2) if as_json else figures.to_markdown())


def _report_failures(scores: ConceptScores) -> None:
    """Say which images could not be read; exit code 1 when none could."""
    done = len(scores.images) - len(scores.errors)
    click.echo(f"{len(scores.images)} images, {done} annotated with {len(scores.concepts)} concepts", err=True)
    for name, reason in list(scores.errors.items())[:_SHOWN]:
        click.echo(f"  failed: {name}: {reason}", err=True)
    if not done:
        raise ImageError(f"none of the {len(scores.images)} images could be read; the reasons are above")
