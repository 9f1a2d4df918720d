"""``zsderm classify``: photographs in, a table of diagnoses out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from zsderm.cli.calibrated import check_calibration, read_calibration
from zsderm.cli.embedded_first import embedded_first
from zsderm.cli.embedded_images import images_or_embeddings
from zsderm.cli.engines import engine_options
from zsderm.cli.failures import end_strictly, print_failures
from zsderm.cli.help import CLASSES, IMAGES, OUTPUT, RARE, Command, option
from zsderm.cli.image_tables import ImageTables, image_table_options
from zsderm.cli.narratives import PatientWords, narrative_options
from zsderm.cli.options import (
    FILE,
    classifier_of,
    classifier_options,
    read_texts,
    strict_option,
)
from zsderm.cli.parameters import ResultFile, ResultFolder, ResultPlace
from zsderm.cli.stored_answers import check_folder, write_folder
from zsderm.cli.summary import group_summary, summary, unsaid_notes
from zsderm.cli.supervised import knowledge_of
from zsderm.cli.talk import is_quiet, say
from zsderm.cli.terminal import print_table
from zsderm.cli.written_tables import refuse_others_files, save_tables, with_minimum, with_run
from zsderm.config import MODALITIES, Settings
from zsderm.errors import ImageError
from zsderm.wording import none_of

if TYPE_CHECKING:
    from zsderm import Predictions, ZeroShotClassifier
    from zsderm.embeddings import StoredEmbeddings
    from zsderm.groups import GroupPredictions
    from zsderm.images import ImageList
    from zsderm.supervised import SupervisedClassifier
    from zsderm.tasks.explanation.explain import Explanation

LAYOUTS = ("wide", "long")  # those of zsderm.long_tables, which takes pandas to import
HEAT_METHODS = ("occlusion", "patches")  # those of zsderm.tasks.explanation.heat_map, which takes torch to import


@click.command(cls=Command)
@classifier_options
@engine_options
@image_table_options
@option(
    "--modality",
    default=Settings.modality,
    show_default=True,
    type=click.Choice(MODALITIES),
    heading=IMAGES,
    help="What the images are, for the sentences beside an answer; auto: photographs, unless the encoder is sure. "
    "pathological: stained tissue sections; names are then read in prompts for these.",
)
@narrative_options
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
    type=ResultPlace(".csv", ".jsonl", ".parquet"),
    heading=OUTPUT,
    help="The file for the table: .csv, .jsonl or .parquet; or a folder, for a data set of many .parquet files.",
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
    output: Path | str | None,
    report: Path | None,
    explain: Path | None,
    explain_method: str,
    tables: ImageTables,
    words: PatientWords,
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

    With --narratives (or --narrative) a photograph is answered together with what the patient tells. The columns label
    and probability are by both; label_by_image and label_by_words are by each alone; matched and masked hold the
    sentences that the story is like, and the names that were taken out of it. Stories are read without training, or by
    --words-model; no trained model of stories comes with the package.

    With --embeddings no photographs are needed: what zsderm embed wrote of them is answered in their place. With a
    folder as --output the answers become many .parquet files, for more images than one table should hold; a run that
    was stopped goes on with the files that are missing (docs/scale.md).

    With --model supervised:FOLDER a classifier that was trained on labelled images answers, by default for all of its
    classes. It reads no descriptions, so there are no evidence, prior, refinement, familiarity and heat maps.

    The report is one file that needs no network: filter, sort and search the photographs, enlarge them, correct answers
    and download the corrections as labels.csv.

    \b
    zsderm classify photos/ -c "melanoma, nevus, basal cell carcinoma"
    zsderm classify photos/*.jpg -c classes.txt -o predictions.csv --report report.html
    zsderm classify dermoscopy/ -c classes.txt --modality dermoscopic --report report.html
    zsderm classify list.csv -c classes.txt -o predictions.csv --strict
    find photos -name "*.jpg" | zsderm classify - -c classes.txt -o predictions.csv
    zsderm classify --embeddings embeddings/ -c classes.txt -o answers/
    zsderm classify photos/ -c classes.txt --explain heat/ --report report.html
    zsderm classify photos/ -c classes.txt --labels labels.csv --groups fitzpatrick --report report.html
    zsderm classify first/ -c classes.txt --fit fitted/
    zsderm classify later/ --fitted fitted/ --calibration calibration.json
    zsderm classify photos/ -c classes.txt --narratives stories.csv -o predictions.csv --report report.html
    zsderm classify lesion.jpg -c classes.txt --narrative "It has grown since summer, and it bled twice."
    zsderm classify photos/ -m supervised:FOLDER --narratives stories.csv --words-model FOLDER
    zsderm classify photos/ -c classes.txt --group-by folder -o predictions.csv
    zsderm classify photos/ -c classes.txt --group-by lesion_id --group-table lesions.csv -o predictions.csv
    """
    tables.check(output, report)
    if isinstance(output, str):
        check_folder(context, output)
    words.check(options["knowledge"])
    _check_fit(fit, options["fitted"])
    table = output if isinstance(output, Path) else None
    refuse_others_files(options["images"], table, tables.group_by is not None, explain)
    record = read_calibration(calibration, options["classes"], looks=options["embeddings"] is None)
    found = embedded_first if options["engine"].is_ray else images_or_embeddings
    images = found(context, options)
    groups, places = tables.groups_of(images.names), tables.regions_of(images.names)
    told = words.of_images(images.names, tables.image_column, groups)
    started = time.monotonic()
    classifier = classifier_of(context, options)
    base = knowledge_of(classifier, options["knowledge"]) if words.given else None
    trained = words.trained(classifier.classes, base, options["device"])
    known = {} if report is None else tables.for_report(images.names, classifier.classes)
    read_texts(classifier)
    if record is not None:
        check_calibration(record, classifier, fits=fit is not None)
    if fit is not None:
        _fit(cast("ZeroShotClassifier", classifier), images, fit)
    if isinstance(output, str):
        how: dict[str, Any] = {"calibration": record, "minimum": min_probability, "top_k": top_k, "layout": layout}
        zero_shot = cast("ZeroShotClassifier", classifier)
        write_folder(context, output, zero_shot, images, regions=places, strict=strict, written=[fit], **how)
        return
    predictions, grouped = _answers(classifier, images, record, groups, tables.group_by, places)
    predictions, grouped = words.joined(predictions, grouped, told, base, cache=classifier.cache, trained=trained)
    if min_probability is not None:
        predictions, grouped = with_minimum(predictions, grouped, min_probability)
    seconds = time.monotonic() - started
    predictions, grouped = with_run(predictions, grouped)
    tables_written = save_tables(predictions, grouped, table, top_k, layout)
    explanations = None
    if explain is not None:
        explanations = _explanations(cast("ZeroShotClassifier", classifier), predictions, explain, explain_method)
    _write_report(report, predictions, top_k=top_k, explanations=explanations, groups=grouped, **known)
    if table is None:  # after all files: whoever reads it may have seen enough before its end
        print_table(predictions.to_frame(top_k, layout))
    for line in (*unsaid_notes(context, predictions), *summary(predictions, seconds), *group_summary(grouped)):
        say(line)
    print_failures(predictions.errors, "the column error")
    for place in filter(None, (*tables_written, report, explain, fit)):
        say(f"Written: {place}")
    if not predictions.ok.any():
        raise ImageError(f"{none_of(len(predictions), 'image')} be classified; what went wrong stands above")
    if strict:
        end_strictly(int((~predictions.ok).sum()))


def _check_fit(fit: Path | None, fitted: Path | None) -> None:
    """Refuse options that do not go together."""
    if fit is not None and fitted is not None:
        raise click.UsageError("--fit and --fitted exclude each other: learn from these images, or from those before.")


def _fit(classifier: ZeroShotClassifier, images: ImageList | StoredEmbeddings, folder: Path) -> None:
    """Learn from the images, and save what was learned; no other classifier is fitted."""
    classifier.fit(images, progress=not is_quiet())
    classifier.save(folder)
    if classifier.settings.smooth:
        say("Note: smoothing is no part of the fit: give --smooth again with --fitted.")


def _answers(
    classifier: ZeroShotClassifier | SupervisedClassifier,
    images: ImageList | StoredEmbeddings,
    record: Any,
    groups: list[str] | None,
    by: str | None,
    regions: list[str] | None,
) -> tuple[Predictions, GroupPredictions | None]:
    """What the classifier answers, calibrated as asked: for photographs, and for groups if there are any."""
    how: dict[str, Any] = {"progress": not is_quiet()} | ({} if regions is None else {"regions": regions})
    if groups is not None:
        found = classifier.predict_groups(images, groups, by=by or "", **how)
        if record is not None:
            from zsderm.calibration import calibrate_groups

            found = calibrate_groups(found, record)
        return found.photographs, found
    predictions = classifier.predict(images, **how)
    if record is not None:
        from zsderm.calibration import apply_calibration

        predictions = apply_calibration(predictions, record)
    return predictions, None


def _write_report(
    path: Path | None, predictions: Predictions, *, explanations: Iterator[Explanation | None] | None, **how: Any
) -> None:
    """Write the report, if there is to be one; explanations are made in any case, as they are asked for."""
    if path is not None:
        from zsderm.report import write_report

        write_report(predictions, path, explanations=explanations, **how)
    elif explanations is not None:
        deque(explanations, maxlen=0)


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
