"""``zsderm audit``: what sets of photographs share, which labels are probably wrong, which pictures are off topic."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsderm.cli.failures import print_failures
from zsderm.cli.help import IMAGES, OUTPUT, Command, option
from zsderm.cli.image_list import print_passed_over
from zsderm.cli.options import (
    FILE,
    batch_option,
    cache_options,
    device_option,
    follow_links_option,
    json_option,
    loaded_encoder,
)
from zsderm.cli.parameters import ClassList, ResultFile
from zsderm.cli.stored_images import PredictionsPlace, embeddings_option
from zsderm.cli.talk import is_quiet, say
from zsderm.config import DEFAULT_MODEL

if TYPE_CHECKING:
    from zsderm.tasks.audit import AuditReport, Suspects

METHOD, SUSPECTS = "Comparison", "Label errors and off-topic photographs"
LEAK = 1  # exit code of --fail-on-leak


@click.command(cls=Command)
@option(
    "--train",
    required=True,
    heading=IMAGES,
    help="A folder, a pattern in quotes, a tar file, a CSV table of images, or FILE.csv:column=value for some rows of "
    "a table.",
)
@option(
    "--test", heading=IMAGES, help="The second set, given in the same way. Without it --train is searched for repeats."
)
@option(
    "--group-column",
    "group_columns",
    multiple=True,
    heading=IMAGES,
    help="A column whose values the sets must not share: patient_id, or patient_id+lesion_id. May be repeated.",
)
@follow_links_option
@option(
    "--bits",
    default=40,
    show_default=True,
    type=click.IntRange(0, 128),
    heading=METHOD,
    help="Two images look alike if at most this many of the 256 bits of their hashes differ.",
)
@option(
    "--cosine",
    default=0.99995,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    heading=METHOD,
    help="Two images are near neighbours if the cosine of their embeddings is at least this.",
)
@option(
    "--model",
    default=DEFAULT_MODEL,
    show_default=True,
    heading=METHOD,
    help="The encoder for --cosine; none: no comparison by embedding. See: zsderm models list.",
)
@embeddings_option(METHOD)
@option(
    "--labels",
    type=FILE,
    heading=SUSPECTS,
    help="A table with an image column and a column true_label, label or dx: look for likely label errors.",
)
@option(
    "--predictions",
    type=PredictionsPlace(),
    heading=SUSPECTS,
    help="A table that zsderm classify or another tool wrote: .csv, .jsonl or .parquet; or the folder that zsderm "
    "classify wrote, also in a bucket. Labels are held against it.  "
    "[default: a classifier on the embeddings of the other patients, lesions or images]",
)
@option(
    "--classes",
    type=ClassList(),
    heading=SUSPECTS,
    help='The classes: a file with one class per line, or "a, b, c".  [default: those in --labels]',
)
@option(
    "--suspects",
    type=ResultFile(".csv"),
    heading=SUSPECTS,
    help="The file for all photographs, ranked by doubt and by strangeness: .csv.",
)
@option(
    "--review",
    type=ResultFile(".html"),
    heading=SUSPECTS,
    help="A page that shows the first of them, takes corrections and downloads them as labels.csv: .html.",
)
@option("--output", "-o", type=ResultFile(".csv"), heading=OUTPUT, help="The file for the pairs: .csv.")
@option("--sheet", type=ResultFile(".html"), heading=OUTPUT, help="A page that shows the pairs side by side: .html.")
@json_option
@option("--fail-on-leak", is_flag=True, heading=OUTPUT, help="End with exit code 1 if train and test share something.")
@device_option
@batch_option
@cache_options
@click.pass_context
def audit(
    context: click.Context,
    train: str,
    test: str | None,
    group_columns: tuple[str, ...],
    follow_links: bool,
    bits: int,
    cosine: float,
    model: str,
    embeddings: Path | str | None,
    labels: Path | None,
    predictions: Path | str | None,
    classes: tuple[str, ...] | None,
    suspects: Path | None,
    review: Path | None,
    output: Path | None,
    sheet: Path | None,
    as_json: bool,
    fail_on_leak: bool,
    device: str | None,
    batch_size: int,
    cache: Path | None,
) -> None:
    """Look for shared photographs and patients, likely label errors and off-topic pictures.

    What sets share is found by three comparisons, between the sets and within each: equal files; look-alikes by a
    perceptual hash (another size, quality or light, mirrored, turned); and near neighbours by embedding. Patients and
    lesions are compared if the sets are tables with such columns. The summary goes to stdout.

    With --labels the labels that are probably wrong are ranked as well (cleanlab's confident learning; needs
    pip install 'zsderm[audit]'). --suspects and --review also show the photographs least like all others, such as a
    page of text. With --group-column the labels of one patient or lesion are judged by the
    photographs of the others only.

    The default of --cosine is for the bundled encoder, which gives similar embeddings to photographs of one diagnosis.
    For another encoder choose a value by looking at --sheet.

    \b
    zsderm audit --train train/ --test test/ --sheet pairs.html
    zsderm audit --train a.csv:split=train --test a.csv:split=dev --group-column patient_id --fail-on-leak
    zsderm audit --train photos/ --model none --output repeats.csv
    zsderm audit --train photos/ --labels labels.csv --suspects suspects.csv --review review.html
    """
    from zsderm.cli.command_line import command_manifest
    from zsderm.manifest_files import refuse_others_manifest, write_manifest
    from zsderm.progress import counting
    from zsderm.tasks.audit import ImageSet, find_suspects, write_suspects
    from zsderm.tasks.audit import audit as compare

    if model == "none" and embeddings is not None:
        raise click.UsageError("--embeddings goes with --model, the encoder that made them; it cannot be none.")
    if usage := _wrong_usage(model, labels, predictions, classes, suspects or review):
        raise click.UsageError(usage)
    for table in filter(None, (output, suspects)):
        refuse_others_manifest(table)
    given = [source for source in (train, test) if source is not None]
    sets = [ImageSet.read(source, group_columns, follow_links=follow_links) for source in given]
    for images in sets:
        print_passed_over(images.passed_over)
    labelled = None
    if labels is not None:
        from zsderm.cli.answer_tables import addresses_whole
        from zsderm.cli.audited_labels import audited_labels

        paths = [str(path) for images in sets for path in images.paths]
        with addresses_whole(predictions):
            labelled = audited_labels(paths, labels, predictions, classes)
    encoder = None
    if model != "none":
        encoder = loaded_encoder(model, device)
    with counting("Reading images", sum(map(len, sets)), not is_quiet()) as tell:
        report = compare(
            *sets,
            encoder=encoder,
            bits=bits,
            cosine=cosine,
            cache=cache,
            batch_size=batch_size,
            advance=lambda: tell(1),
            embeddings=embeddings,
        )
    print_failures(report.errors)
    manifest = {"manifest": command_manifest({"bits": bits, "cosine": cosine}, encoder)}
    if output is not None:
        report.to_csv(output)
        write_manifest(output, manifest)
    if sheet is not None:
        report.sheet().write(sheet)
    found = find_suspects(report, labelled) if labels or suspects or review else None
    if found is not None and suspects is not None:
        found.to_csv(suspects)
        write_manifest(suspects, manifest)
    if found is not None and review is not None:
        write_suspects(found, review)
    for written in filter(None, (output, sheet, suspects, review)):
        say(f"Written: {written}")
    click.echo(_summary(report, found, as_json))
    if fail_on_leak and report.leaks:
        click.echo("Train and test share something.", err=True)
        sys.stdout.flush()
        context.exit(LEAK)


def _wrong_usage(
    model: str, labels: Path | None, predictions: Path | str | None, classes: tuple[str, ...] | None, pages: Path | None
) -> str:
    """What is wrong about options given together; empty if nothing is."""
    if labels is None and (predictions is not None or classes is not None):
        return "--predictions and --classes go with --labels, the labels to look at."
    if model == "none" and labels is not None and predictions is None:
        return "--model none makes no embeddings, so --labels also needs --predictions."
    if model == "none" and labels is None and pages is not None:
        return "--model none makes no embeddings, so --suspects and --review also need --labels and --predictions."
    return ""


def _summary(report: AuditReport, found: Suspects | None, as_json: bool) -> str:
    """What stdout says."""
    if as_json:
        return json.dumps(report.to_dict() | ({} if found is None else {"suspects": found.to_dict()}), indent=2)
    return "\n\n".join([report.to_markdown(), *([] if found is None else [found.to_markdown()])])
