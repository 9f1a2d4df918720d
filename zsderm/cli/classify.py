"""``zsderm classify``: photographs in, a table of diagnoses out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsderm.cli.calibrated import check_calibration, read_calibration
from zsderm.cli.failures import end_strictly, print_failures
from zsderm.cli.help import CLASSES, IMAGES, OUTPUT, RARE, Command, option
from zsderm.cli.image_list import found_images
from zsderm.cli.options import (
    FILE,
    classifier_of,
    classifier_options,
    group_by_option,
    image_column_or_order_option,
    read_texts,
    strict_option,
)
from zsderm.cli.parameters import ResultFile, ResultFolder
from zsderm.cli.summary import group_summary, summary, unsaid_notes
from zsderm.cli.talk import is_quiet, say
from zsderm.cli.terminal import print_table
from zsderm.cli.written_tables import refuse_others_files, with_minimum, with_run
from zsderm.config import MODALITIES, Settings
from zsderm.errors import ImageError
from zsderm.wording import none_of

if TYPE_CHECKING:
    from zsderm import Predictions, ZeroShotClassifier
    from zsderm.groups import GroupPredictions
    from zsderm.images import ImageList
    from zsderm.tasks.explanation.explain import Explanation

LAYOUTS = ("wide", "long")  # those of zsderm.long_tables, which takes pandas to import
HEAT_METHODS = ("occlusion", "patches")  # those of zsderm.tasks.explanation.heat_map, which takes torch to import


@click.command(cls=Command)
@classifier_options
@option(
    "--labels",
    type=FILE,
    heading=IMAGES,
    help="A table with an image column and a column true_label, label or dx (a class name or code, or its index), "
    "for the report.",
)
@image_column_or_order_option
@option(
    "--modality",
    default=Settings.modality,
    show_default=True,
    type=click.Choice(MODALITIES),
    heading=IMAGES,
    help="What the images are, for the sentences beside an answer; auto: photographs, unless the encoder is sure. "
    "pathological: stained tissue sections; names are then read in prompts for these.",
)
@option(
    "--regions",
    type=FILE,
    heading=IMAGES,
    help="A table with an image column and a column region (or site, localization, ...), so that sentences on a place "
    "can stand beside an answer.",
)
@option(
    "--groups",
    "columns",
    multiple=True,
    metavar="COLUMN",
    heading=IMAGES,
    help="A column of --labels: the report has figures for each group, such as skin types. May be repeated.",
)
@option(
    "--cluster",
    metavar="COLUMN",
    heading=IMAGES,
    help="A column of --labels such as patient_id: intervals in the report draw patients, not images; none: "
    "images.  "
    "[default: patient_id or lesion_id]",
)
@group_by_option("--group-table", IMAGES)
@option(
    "--group-table",
    type=FILE,
    heading=IMAGES,
    help="A table with an image column and the column of --group-by.  [default: --labels]",
)
@option(
    "--fit",
    type=ResultFolder(new=True),
    heading=CLASSES,
    help="Learn from these images once, and save the classifier in this new folder.",
)
@option(
    "--calibration",
    type=FILE,
    heading=CLASSES,
    help="A file that zsderm calibrate wrote; probabilities are corrected with it.",
)
@option(
    "--output",
    "-o",
    type=ResultFile(".csv", ".jsonl", ".parquet"),
    heading=OUTPUT,
    help="The file for the table: .csv, .jsonl or .parquet.",
)
@option(
    "--format",
    "layout",
    default="wide",
    show_default=True,
    type=click.Choice(LAYOUTS),
    heading=OUTPUT,
    help="One row for each image, or (long) for each image and class.",
)
@option("--report", type=ResultFile(".html"), heading=OUTPUT, help="A page with pictures and evidence: .html.")
@option(
    "--top-k",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    heading=OUTPUT,
    help="How many classes are listed for each image; --format long has all of them.",
)
@option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    heading=OUTPUT,
    help="Mark answers that are less probable: the table gets a column below_minimum. Labels stay as they are.",
)
@strict_option
@option(
    "--explain",
    type=ResultFolder(new=False),
    heading=OUTPUT,
    help="A folder for heat maps, which show where in a photograph the answer was found. The report shows them too.",
)
@option(
    "--explain-method",
    default="occlusion",
    show_default=True,
    type=click.Choice(HEAT_METHODS),
    heading=RARE,
    help="Cover one place after another, or compare patch features (quicker, less faithful).",
)
@click.pass_context
def classify(
    context: click.Context,
    *,
    fit: Path | None,
    calibration: Path | None,
    top_k: int,
    min_probability: float | None,
    strict: bool,
    layout: str,
    output: Path | None,
    report: Path | None,
    labels: Path | None,
    explain: Path | None,
    explain_method: str,
    image_column: str | None,
    columns: tuple[str, ...],
    cluster: str | None,
    group_by: str | None,
    group_table: Path | None,
    regions: Path | None,
    **options: Any,
) -> None:
    """Name the most likely disease in each photograph.

    The table has one row for each image. Its columns are at least image, label, probability and error; error is empty
    if there was none. Without --output the table goes to stdout as CSV. Beside FILE.csv stands FILE.csv.manifest.json:
    encoder, settings, versions, command line and time. The exit code is 0 if at least one image was classified; with
    --strict it is 3 if any image failed.

    With --calibration the probabilities are calibrated. If the calibration has thresholds for it, the table also says
    which classes are possible (prediction_set) and which photographs look like none of the classes (abstained).

    With --group-by several photographs of one lesion or patient also get one answer together, from the mean of their
    embeddings: a second table, FILE-groups.csv beside FILE.csv, with a section in the report. A photograph whose group
    is not known is a group of its own.

    The report is one file that needs no network: filter, sort and search the photographs, enlarge them, correct answers
    and download the corrections as labels.csv.

    \b
    zsderm classify photos/ -c "melanoma, nevus, basal cell carcinoma"
    zsderm classify photos/*.jpg -c classes.txt -o predictions.csv --report report.html
    zsderm classify dermoscopy/ -c classes.txt --modality dermoscopic --report report.html
    zsderm classify list.csv -c classes.txt -o predictions.csv --strict
    find photos -name "*.jpg" | zsderm classify - -c classes.txt -o predictions.csv
    zsderm classify photos/ -c classes.txt --explain heat/ --report report.html
    zsderm classify photos/ -c classes.txt --labels labels.csv --groups fitzpatrick --report report.html
    zsderm classify first/ -c classes.txt --fit fitted/
    zsderm classify later/ --fitted fitted/ --calibration calibration.json
    zsderm classify photos/ -c classes.txt --group-by folder -o predictions.csv
    zsderm classify photos/ -c classes.txt --group-by lesion_id --group-table lesions.csv -o predictions.csv
    """
    _check_usage(context.params)
    refuse_others_files(options["images"], output, group_by is not None, explain)
    record = read_calibration(calibration, options["classes"])
    images = found_images(options["images"], options["follow_links"])
    groups = _groups(images.names, group_by, group_table or labels, image_column)
    places = _regions(images.names, regions, image_column)
    started = time.monotonic()
    classifier = classifier_of(context, options)
    known = {} if report is None else _known(images.names, labels, classifier.classes, image_column, columns, cluster)
    read_texts(classifier)
    if record is not None:
        check_calibration(record, classifier, fits=fit is not None)
    predictions, grouped = _answers(classifier, images, fit, record, groups, group_by, places)
    if min_probability is not None:
        predictions, grouped = with_minimum(predictions, grouped, min_probability)
    seconds = time.monotonic() - started
    predictions, grouped = with_run(predictions, grouped)
    if output is not None:
        predictions.save(output, top_k, layout)
    written = [output, report, explain, fit]
    if grouped is not None and output is not None:
        from zsderm.groups import groups_file

        written.insert(1, groups_file(output))
        grouped.save(groups_file(output), top_k, layout)
    explanations = None if explain is None else _explanations(classifier, predictions, explain, explain_method)
    if report is not None:
        from zsderm.report import write_report

        write_report(predictions, report, top_k=top_k, explanations=explanations, groups=grouped, **known)
    elif explanations is not None:
        deque(explanations, maxlen=0)
    if output is None:  # after all files: whoever reads it may have seen enough before its end
        print_table(predictions.to_frame(top_k, layout))
    for line in (*unsaid_notes(context, predictions), *summary(predictions, seconds), *group_summary(grouped)):
        say(line)
    print_failures(predictions.errors, "the column error")
    for place in filter(None, written):
        say(f"Written: {place}")
    if not predictions.ok.any():
        raise ImageError(f"{none_of(len(predictions), 'image')} be classified; what went wrong stands above")
    if strict:
        end_strictly(int((~predictions.ok).sum()))


def _check_usage(given: Mapping[str, Any]) -> None:
    """Refuse options that do not go together."""
    group_by, group_table, labels = given["group_by"], given["group_table"], given["labels"]
    fit, fitted, output, report = given["fit"], given["fitted"], given["output"], given["report"]
    if group_by is None and group_table is not None:
        raise click.UsageError("--group-table needs --group-by: the column that says what belongs together.")
    if group_by is not None and output is None and report is None:
        raise click.UsageError("--group-by needs --output or --report: groups are a table of their own.")
    if labels is not None and report is None and (group_by is None or group_table is not None):
        raise click.UsageError("--labels needs --report, which shows them. For figures: zsderm evaluate --labels.")
    if (given["columns"] or given["cluster"] is not None) and (labels is None or report is None):
        raise click.UsageError("--groups and --cluster need --report and --labels, whose columns they name.")
    if fit is not None and fitted is not None:
        raise click.UsageError("--fit and --fitted exclude each other: learn from these images, or from those before.")


def _groups(names: Sequence[str], by: str | None, table: Path | None, image_column: str | None) -> list[str] | None:
    """The group of each image; None without groups. A mistake shows before any work begins."""
    if by is None:
        return None
    from zsderm.cli.image_groups import read_groups

    return read_groups(names, by, table, image_column)


def _regions(names: Sequence[str], table: Path | None, image_column: str | None) -> list[str] | None:
    """The region of the body of each image; None without a table. A mistake shows before any work begins."""
    if table is None:
        return None
    from zsderm.cli.image_regions import read_regions

    return read_regions(names, table, image_column)


def _known(
    names: Sequence[str],
    labels: Path | None,
    classes: Sequence[str],
    image_column: str | None,
    columns: Sequence[str],
    cluster: str | None,
) -> dict[str, Any]:
    """What the report is told of the images besides the answers. A mistake shows before any image is encoded."""
    if labels is None:
        return {}
    from zsderm.cli.report_labels import report_labels

    return report_labels(names, labels, classes, image_column, columns, cluster)


def _answers(
    classifier: ZeroShotClassifier,
    images: ImageList,
    fit: Path | None,
    record: Any,
    groups: list[str] | None,
    by: str | None,
    regions: list[str] | None,
) -> tuple[Predictions, GroupPredictions | None]:
    """What the classifier answers, fitted and calibrated as asked: for photographs, and for groups if there are any."""
    progress = not is_quiet()
    if fit is not None:
        classifier.fit(images, progress=progress)
        classifier.save(fit)
    if groups is not None:
        found = classifier.predict_groups(images, groups, progress=progress, by=by or "", regions=regions)
        if record is not None:
            from zsderm.calibration import calibrate_groups

            found = calibrate_groups(found, record)
        return found.photographs, found
    predictions = classifier.predict(images, progress=progress, regions=regions)
    if record is not None:
        from zsderm.calibration import apply_calibration

        predictions = apply_calibration(predictions, record)
    return predictions, None


def _explanations(
    classifier: ZeroShotClassifier, predictions: Predictions, folder: Path, method: str
) -> Iterator[Explanation | None]:
    """An explanation at a time, written to the folder as it passes, with the progress on stderr."""
    from zsderm.progress import counting
    from zsderm.tasks.explanation.explain import explain_predictions
    from zsderm.tasks.explanation.folder import written

    with counting("Explaining", len(predictions), not is_quiet()) as tell:
        for explanation in written(explain_predictions(classifier, predictions, method=method), folder):
            yield explanation
            tell(1)
