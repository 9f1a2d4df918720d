"""``zsderm calibrate``: labelled photographs in, a calibration out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsderm.cli.embedded_images import images_or_embeddings
from zsderm.cli.help import IMAGES, OUTPUT, Command, option
from zsderm.cli.options import FILE, classifier_of, classifier_options, image_column_or_order_option, read_texts
from zsderm.cli.parameters import ResultFile
from zsderm.cli.summary import done_and_why, unsaid_notes
from zsderm.cli.talk import is_quiet, say
from zsderm.wording import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zsderm import Predictions
    from zsderm.calibration import Calibration

# Those of zsderm.calibration, which takes torch to import.
SET_SCORES = ("lac", "aps", "raps")
FAMILIARITIES = ("energy", "max-probability", "margin")
WORSE = 0.005  # growth of the calibration error that is said: less is the rounding of its bins
SETS = "Prediction sets and abstention"


@click.command(cls=Command)
@classifier_options
@option(
    "--labels",
    required=True,
    type=FILE,
    heading=IMAGES,
    help="A table with an image column and a column true_label, label or dx (a class name or code, or its index).",
)
@image_column_or_order_option
@option(
    "--output",
    "-o",
    required=True,
    type=ResultFile(".json"),
    heading=OUTPUT,
    help="The file for the calibration: .json.",
)
@option(
    "--coverage",
    default=0.9,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    heading=SETS,
    help="How often a prediction set should contain the true class.",
)
@option("--no-sets", is_flag=True, heading=SETS, help="Make no prediction sets.")
@option(
    "--set-score",
    default="lac",
    show_default=True,
    type=click.Choice(SET_SCORES),
    heading=SETS,
    help="The conformal score that builds the sets.",
)
@option(
    "--class-conditional",
    is_flag=True,
    heading=SETS,
    help="Reach the coverage within each class, not only on average. Sets get larger.",
)
@option(
    "--abstain-rate",
    type=click.FloatRange(0, 1, max_open=True),
    heading=SETS,
    help='Up to this share of images of known classes may be answered "none of these".  [default: no abstention]',
)
@option(
    "--abstain-score",
    default="energy",
    show_default=True,
    type=click.Choice(FAMILIARITIES),
    heading=SETS,
    help='The score that decides "none of these".',
)
@click.pass_context
def calibrate(
    context: click.Context,
    *,
    labels: Path,
    image_column: str | None,
    output: Path,
    coverage: float,
    no_sets: bool,
    set_score: str,
    class_conditional: bool,
    abstain_rate: float | None,
    abstain_score: str,
    **options: Any,
) -> None:
    """Learn from labelled photographs how reliable the answers are.

    The calibration holds a temperature for the probabilities, a threshold for prediction sets, and a threshold for
    "none of these". zsderm classify --calibration applies it. Use a few hundred labelled photographs of the kind that
    will be classified later, of patients whose photographs are used for nothing else. A calibration is valid for one
    encoder, class list, method and kind of photograph. With --method kpl, which learns from the folder that it
    classifies, fit first, and calibrate with --fitted.

    \b
    zsderm calibrate --images labelled/ --labels labels.csv --classes classes.txt --output record.json
    zsderm calibrate --images labelled/ --labels labels.csv --fitted fitted/ --output record.json
    zsderm calibrate --embeddings labelled.npy --labels labels.csv --fitted fitted/ --output record.json
    zsderm classify --images photos/ --fitted fitted/ --calibration record.json
    """
    from zsderm.calibration import calibrate_on
    from zsderm.cli.prediction_tables import labels_for
    from zsderm.file_names import printable

    images = images_or_embeddings(context, options)
    classifier = classifier_of(context, options)
    true = labels_for(images.names, labels, classifier.classes, image_column)  # a mistake shows before the work
    read_texts(classifier)
    predictions = classifier.predict(images, progress=not is_quiet())
    record = calibrate_on(
        predictions,
        true,
        coverage=None if no_sets else coverage,
        set_score=set_score,
        class_conditional=class_conditional,
        abstain_rate=abstain_rate,
        abstain_score=abstain_score,
        source=printable(labels.name),
    )
    record.save(output)
    for line in (*unsaid_notes(context, predictions), *_summary(predictions, true, record)):
        say(line)
    say(f"Written: {output}")


def _summary(predictions: Predictions, true: NDArray[np.int_], record: Calibration) -> Iterator[str]:
    """What was learned, and what it changes on the photographs that it was learned from."""
    from zsderm.calibration import apply_calibration, held_out_harm

    known = predictions.ok.numpy() & (true >= 0)
    after = apply_calibration(predictions, record)
    errors = [_error(which.probabilities.numpy()[known], true[known]) for which in (predictions, after)]
    harm = held_out_harm(predictions.probabilities[known].log(), true[known])
    if harm > 0:
        yield (
            "Warning: this calibration will probably make the probabilities of other photographs worse: learned from "
            f"four fifths of these, it gives the true classes of the last fifth {math.exp(-harm):.2f} times the "
            "probability that they had. Check the labels, label more photographs, or do without a calibration."
        )
    if errors[1] > errors[0] + WORSE:
        yield (
            "Warning: this calibration makes the probabilities of these very images less true: they miss by "
            f"{errors[1]:.3f} on average with it (calibration error), by {errors[0]:.3f} without it. Do not use it: "
            "check the labels, or label more photographs."
        )
    how = f"method {predictions.method}, prior {predictions.prior}"
    yield f"{counted(record.n, 'labelled image')} of {len(predictions)}; {how}"
    yield from done_and_why(predictions)
    yield (
        f"  temperature × {record.temperature:.2f}: calibration error {errors[0]:.3f} before, {errors[1]:.3f} after, "
        "on these very images"
    )
    if after.sets is not None and record.conformal is not None:
        size = after.sets[known].sum(dim=1).double().mean()
        yield f"  prediction sets for a coverage of {record.conformal.coverage:g}: {size:.1f} classes on average"
    if record.abstention is not None and after.abstained is not None:
        share = after.abstained[known].double().mean()
        yield f"  “none of these” by {record.abstention.score}: {share:.1%} of these images"


def _error(probabilities: NDArray[np.float32], true: NDArray[np.int_]) -> float:
    from zsderm.metrics import calibration_error

    return calibration_error(probabilities.max(axis=1).astype(float), probabilities.argmax(axis=1) == true)
