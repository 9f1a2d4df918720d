"""``zsderm classify``: photographs in, a table of diagnoses out."""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsderm.cli.failures import print_failures
from zsderm.cli.help import CLASSES, IMAGES, OUTPUT, RARE, Command, option
from zsderm.cli.image_list import found_images
from zsderm.cli.options import FILE, classifier_of, classifier_options, group_by_option, image_column_or_order_option
from zsderm.cli.parameters import ResultFile, ResultFolder
from zsderm.cli.terminal import print_table
from zsderm.config import MODALITIES, Settings
from zsderm.errors import ImageError

if TYPE_CHECKING:
    from zsderm import Predictions, ZeroShotClassifier
    from zsderm.groups import GroupPredictions
    from zsderm.images import ImageList
    from zsderm.tasks.explanation.explain import Explanation

HEAT_METHODS = ("occlusion", "patches")  # those of zsderm.tasks.explanation.heat_map, which takes torch to import
_SHOWN = 8  # classes listed in the summary


@click.command(cls=Command)
@classifier_options
@option(
    "--labels",
    type=FILE,
    heading=IMAGES,
    help="A table with an image column and a column true_label (a class name, or its index), for the report.",
)
@image_column_or_order_option
@option(
    "--modality",
    default=Settings.modality,
    show_default=True,
    type=click.Choice(MODALITIES),
    heading=IMAGES,
    help="What the images are, for the sentences beside an answer; auto: photographs, unless the encoder is sure.",
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
    help="A column of --labels such as patient_id: intervals in the report draw patients, not images.  "
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
    type=ResultFile(".csv", ".jsonl", ".parquet"),
    heading=OUTPUT,
    help="The file for the table: .csv, .jsonl or .parquet.",
)
@option("--report", type=ResultFile(".html"), heading=OUTPUT, help="A page with pictures and evidence: .html.")
@option(
    "--top-k",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    heading=OUTPUT,
    help="How many classes are listed for each image.",
)
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
    **options: Any,
) -> None:
    """Name the most likely disease in each photograph.

    The table has one row for each image. Its columns are at least image, label, probability and error; error is empty
    if there was none. Without --output the table goes to stdout as CSV. The exit code is 0 if at least one image was
    classified.

    With --calibration the probabilities are calibrated. If the calibration has thresholds for it, the table also says
    which classes are possible (prediction_set) and which photographs look like none of the classes (abstained).

    With --group-by several photographs of one lesion or patient also get one answer together, from the mean of their
    embeddings: a second table, FILE-groups.csv beside FILE.csv, with a section in the report. A photograph whose group
    is not known is a group of its own.

    The report is one file that needs no network: filter, sort and search the photographs, enlarge them, correct answers
    and download the corrections as labels.csv.

    \b
    zsderm classify --images photos/ --classes "melanoma, nevus, basal cell carcinoma"
    zsderm classify --images photos/ --classes classes.txt --output predictions.csv --report report.html
    zsderm classify --images photos/ --classes classes.txt --explain heat/ --report report.html
    zsderm classify --images photos/ --classes classes.txt --labels labels.csv --groups fitzpatrick --report report.html
    zsderm classify --images first/ --classes classes.txt --fit fitted/
    zsderm classify --images later/ --fitted fitted/ --calibration calibration.json
    zsderm classify --images photos/ --classes classes.txt --group-by folder --output predictions.csv
    zsderm classify --images photos/ --classes classes.txt --group-by lesion_id --group-table lesions.csv \\
        --output predictions.csv
    """
    if group_by is None and group_table is not None:
        raise click.UsageError("--group-table needs --group-by: the column that says what belongs together.")
    if group_by is not None and output is None and report is None:
        raise click.UsageError("--group-by needs --output or --report: groups are a table of their own.")
    if labels is not None and report is None and (group_by is None or group_table is not None):
        raise click.UsageError("--labels needs --report, which shows them. For figures: zsderm evaluate --labels.")
    _refuse_columns_without_table(columns, cluster, labels, report)
    if fit is not None and options["fitted"] is not None:
        raise click.UsageError("--fit and --fitted exclude each other: learn from these images, or from those before.")
    _refuse_others_files(options["images"], None if group_by is None else output, explain)
    record = _calibration(calibration)
    images = found_images(options["images"], options["follow_links"])
    groups = _groups(images.names, group_by, group_table or labels, image_column)
    started = time.monotonic()
    classifier = classifier_of(context, options)
    known = {} if report is None else _known(images.names, labels, classifier.classes, image_column, columns, cluster)
    predictions, grouped = _answers(classifier, images, fit, record, groups, group_by)
    seconds = time.monotonic() - started
    if output is not None:
        predictions.save(output, top_k)
    written = [output, report, explain, fit]
    if grouped is not None and output is not None:
        from zsderm.groups import groups_file

        written.insert(1, groups_file(output))
        grouped.save(groups_file(output), top_k)
    explanations = None if explain is None else _explanations(classifier, predictions, explain, explain_method)
    if report is not None:
        from zsderm.report import write_report

        write_report(predictions, report, top_k=top_k, explanations=explanations, groups=grouped, **known)
    elif explanations is not None:
        deque(explanations, maxlen=0)
    if output is None:  # after all files: whoever reads it may have seen enough before its end
        print_table(predictions.to_frame(top_k))
    warned = context.find_root().obj or set()
    notes = [f"Note: {note}" for note in predictions.manifest["notes"] if " ".join(note.split()) not in warned]
    for line in (*notes, *_summary(predictions, seconds), *_group_summary(grouped)):
        click.echo(line, err=True)
    print_failures(predictions.errors, "the column error")
    for place in filter(None, written):
        click.echo(f"Written: {place}", err=True)
    if not predictions.ok.any():
        raise ImageError(f"none of the {len(predictions)} images could be classified; the reasons are above")


def _refuse_others_files(images: Sequence[str], grouped: Path | None, explain: Path | None) -> None:
    """Refuse to replace what zsderm did not write, and to put heat maps where they would be taken for photographs."""
    if grouped is not None:
        from zsderm.atomic_files import refuse_others
        from zsderm.groups import MARK, groups_file

        refuse_others(groups_file(grouped), MARK)
    if explain is not None:
        from zsderm.tasks.explanation.folder import refuse_others_in

        place = explain.resolve()
        for folder in filter(Path.is_dir, map(Path, images)):
            if place.is_relative_to(folder.resolve()):
                raise click.UsageError(
                    f"--explain '{explain}' lies in --images '{folder}', where heat maps would be taken for "
                    "photographs the next time. Choose another folder."
                )
        refuse_others_in(explain)


def _refuse_columns_without_table(
    columns: Sequence[str], cluster: str | None, labels: Path | None, report: Path | None
) -> None:
    if (columns or cluster is not None) and (labels is None or report is None):
        raise click.UsageError("--groups and --cluster need --report and --labels, whose columns they name.")


def _calibration(path: Path | None) -> Any:
    """The record in a file, read before any work begins; None where none was given."""
    if path is None:
        return None
    from zsderm.calibration import Calibration

    return Calibration.load(path)


def _groups(names: Sequence[str], by: str | None, table: Path | None, image_column: str | None) -> list[str] | None:
    """The group of each image; None without groups. A mistake shows before any work begins."""
    if by is None:
        return None
    from zsderm.cli.image_groups import read_groups

    return read_groups(names, by, table, image_column)


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
) -> tuple[Predictions, GroupPredictions | None]:
    """What the classifier answers, fitted and calibrated as asked: for photographs, and for groups if there are any."""
    progress = sys.stderr.isatty()
    if fit is not None:
        classifier.fit(images, progress=progress)
        classifier.save(fit)
    if groups is not None:
        found = classifier.predict_groups(images, groups, progress=progress, by=by or "")
        if record is not None:
            from zsderm.calibration import calibrate_groups

            found = calibrate_groups(found, record)
        return found.photographs, found
    predictions = classifier.predict(images, progress=progress)
    if record is not None:
        from zsderm.calibration import apply_calibration

        predictions = apply_calibration(predictions, record)
    return predictions, None


def _explanations(
    classifier: ZeroShotClassifier, predictions: Predictions, folder: Path, method: str
) -> Iterator[Explanation | None]:
    """An explanation at a time, written to the folder as it passes, with a bar on stderr if that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    from zsderm.tasks.explanation.explain import explain_predictions
    from zsderm.tasks.explanation.folder import written

    console = Console(stderr=True)
    return iter(
        track(
            written(explain_predictions(classifier, predictions, method=method), folder),
            "Explaining",
            total=len(predictions),
            console=console,
            transient=True,
            disable=not console.is_interactive,
        )
    )


def _summary(predictions: Predictions, seconds: float) -> Iterator[str]:
    """The run in a few lines: how many images, by which method, which classes were named."""
    done = int(predictions.ok.sum())
    images = "1 image" if len(predictions) == 1 else f"{len(predictions)} images"
    yield f"{images}, {done} classified in {seconds:.1f} s; method {predictions.method}, prior {predictions.prior}"
    counts = Counter(filter(None, predictions.labels))
    width = max((len(name) for name in counts), default=0)
    for name, count in counts.most_common(_SHOWN):
        yield f"  {name:<{width}}  {count:>5}  {count / done:>4.0%}"
    if len(counts) > _SHOWN:
        yield f"  and {len(counts) - _SHOWN} more classes"
    if predictions.abstained is not None:
        none = int((predictions.abstained & predictions.ok).sum())
        yield f"  {none} of them may be none of these: see the column abstained"


def _group_summary(grouped: GroupPredictions | None) -> Iterator[str]:
    """The groups in a line or two; nothing without groups."""
    if grouped is None:
        return
    members, done = grouped.members, int(grouped.answers.ok.sum())
    noun = "group" if len(members) == 1 else "groups"
    yield f"{len(members)} {noun} by {grouped.by}, {done} of them answered from the mean of their photographs"
    if members.alone:
        of_all = f"{members.alone} of {len(grouped.photographs)} photographs"
        yield f"  {of_all} have no {grouped.by}; each of them is a group of its own"
