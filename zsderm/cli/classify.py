"""``zsderm classify``: photographs in, a table of diagnoses out."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsderm.cli.parameters import ClassList, ClassPrior, ResultFile, cache_option
from zsderm.config import METHODS, RETRIEVALS
from zsderm.errors import ImageError

if TYPE_CHECKING:
    from zsderm import Predictions

_SHOWN = 8  # classes and reasons listed in the summary; the table has them all


@click.command()
@click.option("--images", required=True, multiple=True, help="A folder, searched in depth, or an image; may repeat.")
@click.option("--classes", required=True, type=ClassList(), help='A file, one class per line, or "a, b, c".')
@click.option("--model", default="zsderm-mini", show_default=True, help="An encoder; see: zsderm models list.")
@click.option("--knowledge", default="dermatology", show_default=True, help="A knowledge base, its folder, or none.")
@click.option(
    "--method", default="kpl", show_default=True, type=click.Choice(METHODS), help="How to tell classes apart."
)
@click.option("--prior", default="auto", show_default=True, type=ClassPrior(), help="How common the classes are.")
@click.option(
    "--retrieval",
    default="batch",
    show_default=True,
    type=click.Choice(RETRIEVALS),
    help="Choose descriptions for all images together, or for each one.",
)
@click.option("--k", type=click.IntRange(min=1), help="Descriptions kept per class.")
@click.option("--top-k", default=3, show_default=True, type=click.IntRange(min=1), help="Classes listed per image.")
@click.option("--output", type=ResultFile(".csv", ".jsonl", ".parquet"), help="The table: .csv, .jsonl or .parquet.")
@click.option("--report", type=ResultFile(".html"), help="An illustrated report: .html.")
@click.option(
    "--labels", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="True labels, for the report."
)
@click.option("--device", help="cpu, cuda or mps.  [default: the fastest there is]")
@click.option("--batch-size", type=click.IntRange(min=1), help="Images encoded at once.")
@cache_option
@click.option("--no-cache", is_flag=True, help="Keep no image features.")
@click.pass_obj
def classify(
    warned: set[str],
    *,
    images: tuple[str, ...],
    classes: tuple[str, ...],
    model: str,
    knowledge: str,
    method: str,
    prior: str | dict[str, float],
    retrieval: str,
    k: int | None,
    top_k: int,
    output: Path | None,
    report: Path | None,
    labels: Path | None,
    device: str | None,
    batch_size: int | None,
    cache_dir: Path,
    no_cache: bool,
) -> None:
    """Name the most likely disease in each photograph.

    The table has one row per image with at least image, label, probability, and error, which is empty when all went
    well. Without --output it goes to stdout as CSV. Exit code 0 when at least one image was classified.

    \b
    zsderm classify --images photos/ --classes "melanoma, nevus, basal cell carcinoma"
    zsderm classify --images photos/ --classes classes.txt --output predictions.csv --report report.html
    """
    from zsderm import ZeroShotClassifier

    started = time.monotonic()
    classifier = ZeroShotClassifier.from_pretrained(
        model,
        classes=classes,
        knowledge=None if knowledge == "none" else knowledge,
        method=method,
        prior=prior,
        retrieval=retrieval,
        k=k,
        device=device,
        batch_size=batch_size,
        cache=None if no_cache else cache_dir,
    )
    predictions = classifier.predict(images, progress=sys.stderr.isatty())
    seconds = time.monotonic() - started
    if output is None:
        predictions.to_frame(top_k).to_csv(sys.stdout, index=False)
    else:
        predictions.save(output, top_k)
    if report is not None:
        _write_report(predictions, report, labels, top_k)
    notes = [f"Note: {note}" for note in predictions.manifest["notes"] if " ".join(note.split()) not in warned]
    for line in (*notes, *_summary(predictions, seconds)):
        click.echo(line, err=True)
    for written in filter(None, (output, report)):
        click.echo(f"Written: {written}", err=True)
    if not predictions.ok.any():
        raise ImageError(f"none of the {len(predictions)} images could be classified; the reasons are above")


def _write_report(predictions: Predictions, path: Path, labels: Path | None, top_k: int) -> None:
    """Write the report, with the true labels beside the answers where a file of labels is given."""
    from zsderm.report import write_report

    if labels is None:
        write_report(predictions, path, top_k=top_k)
    else:
        from zsderm.cli.tables import labels_for

        write_report(predictions, path, top_k=top_k, true=labels_for(predictions.images, labels, predictions.classes))


def _summary(predictions: Predictions, seconds: float) -> Iterator[str]:
    """The run in a few lines: how many images, by which method, which classes were named, what went wrong."""
    done = int(predictions.ok.sum())
    images = "1 image" if len(predictions) == 1 else f"{len(predictions)} images"
    yield f"{images}, {done} classified in {seconds:.1f} s; method {predictions.method}, prior {predictions.prior}"
    counts = Counter(filter(None, predictions.labels))
    width = max((len(name) for name in counts), default=0)
    for name, count in counts.most_common(_SHOWN):
        yield f"  {name:<{width}}  {count:>5}  {count / done:>4.0%}"
    if len(counts) > _SHOWN:
        yield f"  and {len(counts) - _SHOWN} more classes"
    for name, reason in list(predictions.errors.items())[:_SHOWN]:
        yield f"  failed: {name}: {reason}"
    if len(predictions.errors) > _SHOWN:
        yield f"  and {len(predictions.errors) - _SHOWN} more failures: see the column error"
