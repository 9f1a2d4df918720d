"""``zsderm pretrain extract``: from raw captions to the multi-aspect table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsderm.cli.endpoint_options import (
    answers_option,
    api_key_option,
    endpoint_option,
    language_model_option,
    requests_options,
)
from zsderm.cli.help import IMAGES, OUTPUT, Command, option
from zsderm.cli.options import FILE, image_column_option, knowledge_option
from zsderm.cli.parameters import ResultFile
from zsderm.cli.talk import is_quiet, say

if TYPE_CHECKING:
    from zsderm.pretrain.extraction.answer import Engine
    from zsderm.pretrain.extraction.reading import CaptionReader


@click.command(cls=Command)
@option(
    "--captions",
    required=True,
    type=FILE,
    heading=IMAGES,
    help="A table (.csv, .tsv, .jsonl or .parquet) with the columns filename and caption.",
)
@image_column_option
@option(
    "--engine",
    type=click.Choice(["rules", "server"]),
    default="rules",
    show_default=True,
    heading=IMAGES,
    help="What reads the captions: rules, or a language model on a server.",
)
@knowledge_option
@option("--output", "-o", required=True, type=ResultFile(".csv"), heading=OUTPUT, help="The file for the table: .csv.")
@option(
    "--rejected",
    type=ResultFile(".csv"),
    heading=OUTPUT,
    help="The file for what was refused, and why.  [default: OUTPUT-rejected.csv]",
)
@endpoint_option()
@language_model_option()
@api_key_option
@answers_option
@requests_options
def extract(
    *,
    captions: Path,
    image_column: str | None,
    output: Path,
    engine: str,
    endpoint: str | None,
    model: str | None,
    api_key: str | None,
    workers: int,
    timeout: float,
    answers: Path | None,
    rejected: Path | None,
    knowledge: str,
) -> None:
    """Extract from raw captions the table that pretraining reads.

    For each caption: its disease, the place of the disease in an ontology, visible concepts, and up to eight
    sub-captions. The engine `rules` needs no model. The engine `server` asks a language model, saves every answer,
    continues after a stop, and accepts only what the caption says. What was refused is written to another table: row,
    kind, term, reason.

    \b
    zsderm pretrain extract --captions captions.csv --output multi_aspect.csv
    zsderm pretrain extract --captions captions.csv --output multi_aspect.csv --engine server \\
        --endpoint http://localhost:11434/v1 --language-model M
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from zsderm.atomic_files import refuse_others
    from zsderm.knowledge import KnowledgeBase
    from zsderm.pretrain.extraction.reading import CaptionReader
    from zsderm.pretrain.extraction.rules import RuleEngine
    from zsderm.pretrain.extraction.table import REJECTED_MARK, extract_table

    if engine == "server" and not (endpoint and model):
        raise click.UsageError("expected --endpoint URL and --language-model NAME with --engine server.")
    reader = CaptionReader(KnowledgeBase.load(knowledge))
    reads: Engine = RuleEngine(reader)
    if engine == "server" and endpoint and model:
        folder = answers or output.with_name(f"{output.stem}-answers")
        reads = _server(reader, endpoint, model, api_key, timeout, folder)
    if rejected is None:
        refuse_others(output.with_name(f"{output.stem}-rejected.csv"), REJECTED_MARK)
    refused = rejected or output.with_name(f"{output.stem}-rejected.csv")
    columns = SpinnerColumn(), TextColumn("{task.completed} captions")
    with Progress(*columns, console=Console(file=sys.stderr), disable=is_quiet() or not sys.stderr.isatty()) as bar:
        task = bar.add_task("captions", total=None)
        found = extract_table(
            captions,
            output,
            refused,
            reads,
            reader,
            image_column=image_column or "",
            workers=workers if engine == "server" else 1,  # rules are pure Python: threads would only take turns
            advance=lambda: bar.advance(task),
        )
    click.echo(output)
    if found.replaced:
        say(f"Columns of {captions} that are left out or written anew: {', '.join(found.replaced)}")
    for (kind, reason), count in found.rejected.most_common():
        click.echo(f"{count}\t{kind}: {reason}", err=True)
    say(
        f"{found.rows} captions: {found.diseases} with a diagnosis, {found.concepts} concepts, "
        f"{found.sub_captions} sub-captions. Refused: {found.rejected.total()}, see {refused}",
    )


def _server(reader: CaptionReader, url: str, model: str, api_key: str | None, timeout: float, folder: Path) -> Engine:
    from zsderm.language_model import Answers, endpoint
    from zsderm.pretrain.extraction.server import ServerEngine

    ask = endpoint(url, model, api_key, timeout, temperature=0.0)
    return ServerEngine(reader, ask, Answers(folder, model))
