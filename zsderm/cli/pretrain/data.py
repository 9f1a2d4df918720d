"""``zsderm pretrain validate | pack``: look at the data of a run before it trains."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from zsderm.cli.help import Command
from zsderm.cli.options import FILE, data_root_option, image_column_option
from zsderm.cli.parameters import ResultFile, ResultFolder
from zsderm.cli.talk import is_quiet, say
from zsderm.optional_packages import requires
from zsderm.wording import counted

if TYPE_CHECKING:
    from zsderm.pretrain.config import Source


@click.command(cls=Command)
@click.argument("tables", nargs=-1)
@click.option("--config", type=FILE, help="The configuration of a run (YAML).")
@data_root_option()
@image_column_option
@click.option(
    "--output",
    "-o",
    type=ResultFile(".csv"),
    help="The file for the report: .csv.  [default: stdout]",
)
@click.option(
    "--threads",
    default=2,
    show_default=True,
    type=click.IntRange(1),
    help="How many images are decoded at the same time.",
)
@click.pass_context
def validate(
    context: click.Context,
    *,
    tables: tuple[str, ...],
    config: Path | None,
    data_root: Path | None,
    image_column: str | None,
    output: Path | None,
    threads: int,
) -> None:
    """Check caption tables before training: every cell, text and image.

    TABLES are .csv, .tsv, .jsonl, .parquet or .tar files, or a pattern in quotes; without any, the tables of --config.
    With --config the lengths of texts are checked by its tokenizer, and labels by its knowledge base.

    The report is a CSV table: table, row, filename, kind, reason. The exit code is 1 if there is any problem.

    \b
    zsderm pretrain validate captions.csv --output report.csv
    zsderm pretrain validate --config pretrain/configs/mini.yaml --data-root DATA
    """
    if not tables and config is None:
        raise click.UsageError("expected TABLES, or --config FILE to check the tables of a run.")
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    sources, settings = _sources(tables, image_column), {}
    if config:
        run = _room("config").read_config(config)
        sources = sources or list(run.train)
        settings = {
            "limit": _room("data.validation").token_limit(run.model_cfg),
            "knowledge": _knowledge(run.knowledge),
        }
    else:
        click.echo("Lengths of texts and labels are not checked: they need --config.", err=True)
    columns = SpinnerColumn(), TextColumn("{task.completed} rows")
    with Progress(*columns, console=Console(file=sys.stderr), disable=is_quiet() or not sys.stderr.isatty()) as bar:
        task = bar.add_task("rows", total=None)
        report = _room("data.validation").validate(
            sources,
            data_root or Path(),
            threads=threads,
            advance=lambda rows: bar.advance(task, rows),
            **settings,
        )
    if output:
        report.to_csv(output)
        click.echo(output)
    else:
        report.write(sys.stdout)
    for kind, count in report.counts.items():
        say(f"{kind}: {count}")
    say(f"{counted(report.rows, 'row')}, {counted(len(report.problems), 'problem')}")
    context.exit(1 if report.problems else 0)


@click.command(cls=Command)
@click.argument("table")
@click.option("--output", "-o", required=True, type=ResultFolder(new=False), help="The folder for the shards.")
@data_root_option()
@image_column_option
@click.option(
    "--allow-outside",
    is_flag=True,
    help="Pack images outside of the data folder too: absolute paths, paths with .., links that lead elsewhere.",
)
@click.option(
    "--per-shard", default=1000, show_default=True, type=click.IntRange(1), help="How many images a shard holds."
)
def pack(
    table: str,
    output: Path,
    data_root: Path | None,
    image_column: str | None,
    allow_outside: bool,
    per_shard: int,
) -> None:
    """Write a table and its images as tar shards, for large data sets.

    To train on shards, write `table: shards/*.tar` in the configuration. Every image is decoded first. One that cannot
    be read, or that lies outside of --data-root (without it: of the folder of the table), is left out, and stderr says
    why. The paths of the shards go to stdout.

    \b
    zsderm pretrain pack captions.csv --output shards/
    """
    (source,) = _sources((table,), image_column)
    shards, errors = _room("data.pack").pack(
        source, data_root or Path(), output, per_shard, data_folder=data_root, allow_outside=allow_outside
    )
    for shard in shards:
        click.echo(shard)
    for image, reason in errors.items():
        click.echo(f"left out: {image}: {reason}", err=True)


def _sources(tables: tuple[str, ...], image_column: str | None) -> list[Source]:
    config = _room("config")
    return [config.Source(table, image_column=image_column or "") for table in tables]


def _knowledge(name: str) -> object:
    from zsderm.knowledge import KnowledgeBase

    return KnowledgeBase.load(name)


def _room(module: str) -> ModuleType:
    """A module of the pretraining room, or the command that installs what it needs."""
    with requires("zsderm[pretrain]"):
        return import_module(f"zsderm.pretrain.{module}")
