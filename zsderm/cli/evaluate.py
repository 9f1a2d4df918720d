"""``zsderm evaluate``: predictions beside true labels, ours or another tool's, one or several side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click

from zsderm.cli.help import CLASSES, IMAGES, Command, option
from zsderm.cli.options import FILE, group_by_option, image_column_or_order_option, json_option
from zsderm.cli.parameters import ClassList
from zsderm.cli.talk import say

FIGURES = "Figures"


class ClassMap(click.ParamType):
    """``MAP``, or ``PREDICTIONS=MAP`` for one of several files of predictions."""

    name = "[predictions=]map"

    def convert(
        self, value: str | tuple[str, tuple[str, ...]], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[str, ...]]:
        """The file it is for, empty for all of them, and the names in order."""
        if isinstance(value, tuple):
            return value
        target, _, order = value.rpartition("=")
        return target, ClassList(least=1).convert(order, param, ctx)


@click.command(cls=Command)
@option(
    "--predictions",
    required=True,
    multiple=True,
    type=FILE,
    heading=IMAGES,
    help="A table that zsderm classify or another tool wrote: .csv, .jsonl or .parquet. May be repeated to compare.",
)
@option(
    "--labels",
    type=FILE,
    heading=IMAGES,
    help="A table with an image column and a column true_label, label or dx (a class name or code, or its index).",
)
@image_column_or_order_option
@option(
    "--classes",
    required=True,
    type=ClassList(),
    heading=CLASSES,
    help='The classes in their order: a file with one class per line, or "a, b, c".',
)
@option(
    "--class-map",
    "maps",
    multiple=True,
    type=ClassMap(),
    heading=CLASSES,
    help="The classes that probability_class_0, 1, ... stand for, where their order is another one.",
)
@option(
    "--groups",
    multiple=True,
    heading=FIGURES,
    help="A column of --labels: figures for each group, and how far the groups are apart. May be repeated.",
)
@option(
    "--cluster",
    heading=FIGURES,
    help="A column of --labels such as patient_id: intervals draw patients, not images; none: images.  "
    "[default: patient_id or lesion_id]",
)
@group_by_option("--labels", FIGURES)
@option("--published", heading=FIGURES, help="A data set: show what others have published on it, in italics.")
@json_option
def evaluate(
    predictions: tuple[Path, ...],
    labels: Path | None,
    image_column: str | None,
    classes: tuple[str, ...],
    maps: tuple[tuple[str, tuple[str, ...]], ...],
    groups: tuple[str, ...],
    cluster: str | None,
    group_by: str | None,
    published: str | None,
    as_json: bool,
) -> None:
    """Compare predictions with the true labels.

    Images are matched by name. Images without a label are left out, and stderr says how many. Without --labels the
    predictions need a column true_label. Where a class includes other diseases, a label of one of
    these ("solar lentigo" in "benign keratosis") counts for the class, and a warning says so.

    Predictions of other tools need one column of probabilities (not logits) for each class: named after the class
    ("probability: melanoma", prob_melanoma or melanoma), or probability_class_0, 1, ... in the order of --classes or of
    --class-map. A column label has to name the most probable class. Several predictions are each compared with
    the first, on its images: the difference, its 95 % interval and p, from a bootstrap that draws the same images, or
    patients, for both.

    With --group-by there are also figures for one answer per lesion or patient. The answers are those of the table that
    zsderm classify --group-by wrote beside the predictions; without it, the mean of the log probabilities. All
    photographs of a group need the same label.

    \b
    zsderm evaluate --predictions predictions.csv --labels labels.csv --classes classes.txt
    zsderm evaluate --predictions ours.csv --predictions theirs.csv --class-map theirs.csv=order.json \\
        --labels labels.csv --classes classes.txt --cluster patient_id --groups fitzpatrick --published pad
    zsderm evaluate --predictions predictions.csv --labels labels.csv --classes classes.txt --group-by lesion_id
    """
    from zsderm.cli import scores

    scored = scores.score(predictions, labels, classes, dict(maps), groups, cluster, image_column, group_by)
    for line in scored.talk:
        say(line)
    click.echo(json.dumps(scored.to_dict(), indent=2) if as_json else scored.to_markdown())
    if published is not None and not as_json:
        click.echo("\n" + _published(published))


def _published(dataset: str) -> str:
    from zsderm.benchmarks.published import published, to_markdown

    return to_markdown(published(dataset, task=None)) or f"Nothing published on {dataset!r} is on record."
