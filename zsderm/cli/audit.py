"""``zsderm audit``: do two sets of photographs share images or patients?"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from zsderm.cli.failures import print_failures
from zsderm.cli.help import IMAGES, OUTPUT, Command, option
from zsderm.cli.image_list import print_passed_over
from zsderm.cli.options import (
    batch_option,
    cache_options,
    device_option,
    follow_links_option,
    json_option,
    loaded_encoder,
)
from zsderm.cli.parameters import ResultFile
from zsderm.cli.talk import is_quiet, say
from zsderm.config import DEFAULT_MODEL

METHOD = "Comparison"
LEAK = 1  # exit code of --fail-on-leak


@click.command(cls=Command)
@option(
    "--train",
    required=True,
    heading=IMAGES,
    help="A folder, a CSV table of images, or FILE.csv:column=value for some rows of a table.",
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
    output: Path | None,
    sheet: Path | None,
    as_json: bool,
    fail_on_leak: bool,
    device: str | None,
    batch_size: int,
    cache: Path | None,
) -> None:
    """Look for photographs, patients and lesions that two sets share.

    There are three comparisons, between the sets and within each set: equal files; look-alikes by a perceptual hash
    (another size, quality or light, mirrored, turned); and near neighbours by embedding. Patients and lesions are
    compared if the sets are tables with such columns. The summary goes to stdout.

    The default of --cosine is for the bundled encoder, which gives similar embeddings to photographs of one diagnosis.
    For another encoder choose a value by looking at --sheet.

    \b
    zsderm audit --train train/ --test test/ --sheet pairs.html
    zsderm audit --train a.csv:split=train --test a.csv:split=dev --group-column patient_id --fail-on-leak
    zsderm audit --train photos/ --model none --output repeats.csv
    """
    from zsderm.cli.command_line import command_manifest
    from zsderm.manifest_files import refuse_others_manifest, write_manifest
    from zsderm.progress import counting
    from zsderm.tasks.audit.image_sets import ImageSet
    from zsderm.tasks.audit.near_duplicates import audit as compare

    if output is not None:
        refuse_others_manifest(output)
    given = [source for source in (train, test) if source is not None]
    sets = [ImageSet.read(source, group_columns, follow_links=follow_links) for source in given]
    for images in sets:
        print_passed_over(images.passed_over)
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
        )
    print_failures(report.errors)
    if output is not None:
        report.to_csv(output)
        write_manifest(output, {"manifest": command_manifest({"bits": bits, "cosine": cosine}, encoder)})
    if sheet is not None:
        report.sheet().write(sheet)
    for written in filter(None, (output, sheet)):
        say(f"Written: {written}")
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.to_markdown())
    if fail_on_leak and report.leaks:
        click.echo("Train and test share something.", err=True)
        sys.stdout.flush()
        context.exit(LEAK)
