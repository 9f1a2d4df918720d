"""``zsderm audit``: do two sets of photographs share images or patients?"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from zsderm.cli.parameters import ResultFile, cache_option

_SHOWN = 8  # reasons listed; the rest is counted
LEAK = 1  # exit code of --fail-on-leak


@click.command()
@click.option("--train", required=True, help="A folder, a CSV table of images, or FILE.csv:column=value for some rows.")
@click.option("--test", help="Likewise; without it --train alone is searched for repeats.")
@click.option(
    "--group-column",
    "group_columns",
    multiple=True,
    help="A column of the tables that must not be shared: patient_id, or patient_id+lesion_id; may repeat.",
)
@click.option(
    "--bits",
    default=40,
    show_default=True,
    type=click.IntRange(0, 128),
    help="Of 256, by which look-alikes may differ.",
)
@click.option(
    "--cosine",
    default=0.998,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="At which embeddings are near neighbours.",
)
@click.option("--model", default="zsderm-mini", show_default=True, help="An encoder for --cosine, or none.")
@click.option("--output", type=ResultFile(".csv"), help="The pairs: .csv.")
@click.option("--sheet", type=ResultFile(".html"), help="The pairs side by side, to look at: .html.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--fail-on-leak", is_flag=True, help="End with exit code 1 when train and test share something.")
@click.option("--device", help="cpu, cuda or mps.  [default: the fastest there is]")
@click.option("--batch-size", default=64, show_default=True, type=click.IntRange(min=1), help="Images encoded at once.")
@cache_option
@click.pass_context
def audit(
    context: click.Context,
    train: str,
    test: str | None,
    group_columns: tuple[str, ...],
    bits: int,
    cosine: float,
    model: str,
    output: Path | None,
    sheet: Path | None,
    as_json: bool,
    fail_on_leak: bool,
    device: str | None,
    batch_size: int,
    cache_dir: Path,
) -> None:
    """Look for photographs, patients and lesions that two sets share.

    Three comparisons, across the sets and within each: equal files, look-alikes by a perceptual hash (another size,
    quality or light, mirrored, turned), and near neighbours by embedding. Patients and lesions are compared where the
    sets are tables that name them. The summary goes to stdout.

    The bundled encoder puts photographs of one diagnosis close together, so its threshold is high; choose one for
    another encoder by looking at --sheet.

    \b
    zsderm audit --train train/ --test test/ --sheet pairs.html
    zsderm audit --train a.csv:split=train --test a.csv:split=dev --group-column patient_id --fail-on-leak
    zsderm audit --train photos/ --model none --output repeats.csv
    """
    from rich.console import Console
    from rich.progress import Progress

    from zsderm.tasks.audit.image_sets import ImageSet
    from zsderm.tasks.audit.near_duplicates import audit as compare

    sets = [ImageSet.read(source, group_columns) for source in (train, test) if source is not None]
    encoder = None
    if model != "none":
        from zsderm import load_encoder

        encoder = load_encoder(model, device)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_interactive) as bar:
        task = bar.add_task("Reading images", total=sum(map(len, sets)))
        report = compare(
            *sets,
            encoder=encoder,
            bits=bits,
            cosine=cosine,
            cache=cache_dir,
            batch_size=batch_size,
            advance=lambda: bar.advance(task),
        )
    for name, reason in list(report.errors.items())[:_SHOWN]:
        click.echo(f"  failed: {name}: {reason}", err=True)
    if len(report.errors) > _SHOWN:
        click.echo(f"  and {len(report.errors) - _SHOWN} more failures", err=True)
    if output is not None:
        report.to_csv(output)
    if sheet is not None:
        report.sheet().write(sheet)
    for written in filter(None, (output, sheet)):
        click.echo(f"Written: {written}", err=True)
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.to_markdown())
    if fail_on_leak and report.leaks:
        click.echo("Train and test share something.", err=True)
        sys.stdout.flush()
        context.exit(LEAK)
