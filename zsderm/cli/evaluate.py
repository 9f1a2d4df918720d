"""``zsderm evaluate``: predictions beside true labels."""

from __future__ import annotations

import json
from pathlib import Path

import click

from zsderm.cli.parameters import ClassList

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--predictions", required=True, type=_FILE, help="What zsderm classify wrote: .csv, .jsonl or .parquet.")
@click.option("--labels", type=_FILE, help="Columns image and true_label (a class name, or an index into the classes).")
@click.option("--classes", required=True, type=ClassList(), help='The classes in order: a file, or "a, b, c".')
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def evaluate(predictions: Path, labels: Path | None, classes: tuple[str, ...], as_json: bool) -> None:
    """Compare predictions with the true labels.

    Images are matched by name; those without a label are left out, and stderr says how many. Without --labels the
    predictions must carry a column true_label themselves.

    \b
    zsderm evaluate --predictions predictions.csv --labels labels.csv --classes classes.txt
    """
    from zsderm import metrics
    from zsderm.cli import tables

    table = tables.read_table(predictions)
    if labels is None:
        true = tables.own_labels(table, predictions, classes)
    else:
        images = [str(image) for image in table.get("image", table.index)]
        true = tables.labels_for(images, labels, classes)
    known = true != tables.NO_LABEL
    if not known.all():
        click.echo(f"{(~known).sum()} of {len(known)} images have no label in {labels}; they are left out.", err=True)
    probabilities = tables.class_probabilities(table, predictions, len(classes))
    if probabilities is None:
        chosen = tables.predicted_classes(table, predictions, classes)
        figures = metrics.evaluate_labels(true[known], chosen[known], len(classes))
    else:
        figures = metrics.evaluate(true[known], probabilities[known])
    click.echo(json.dumps(figures.to_dict(), indent=2) if as_json else figures.to_markdown())
