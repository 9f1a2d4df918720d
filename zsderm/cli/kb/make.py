"""``zsderm kb build | diff | generate``: make knowledge bases, and say what changed in one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from zsderm.cli.endpoint_options import answers_option, api_key_option, endpoint_option, language_model_option
from zsderm.cli.help import CLASSES, OUTPUT, RARE, Command, option
from zsderm.cli.parameters import ClassList, ResultFolder
from zsderm.cli.talk import is_quiet, say
from zsderm.cli.terminal import print_cells
from zsderm.wording import counted

_SHOWN = 20  # problems listed on stderr


@click.command(cls=Command)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--output", "-o", required=True, type=ResultFolder(new=True), help="The new folder to write.")
@click.option("--name", help="The name of the base.  [default: the name of the folder]")
@click.option("--licence", default="unknown", show_default=True, help="The licence of the texts.")
def build(source: Path, output: Path, name: str | None, licence: str) -> None:
    """Make a knowledge base from a table or a mapping of descriptions by class.

    SOURCE is a table (.csv, .tsv, .jsonl, .parquet) with columns class,description (optionally aspect,modality,shows),
    or a .json file {class: [descriptions]}. The base is loaded before it is put in place, and keeps to the minimal
    profile of zsderm kb validate.

    \b
    zsderm kb build cupl.json --output ./birds
    zsderm classify --images photos/ --classes classes.txt --knowledge ./birds
    """
    from zsderm.knowledge.authoring.build import PROFILE, read_class_texts
    from zsderm.knowledge.base import KnowledgeCard
    from zsderm.knowledge.store import write_base

    diseases = read_class_texts(source)
    card = KnowledgeCard(name or output.name, version="0.1.0", licence=licence, description=f"Built from {source.name}")
    write_base(output, card, diseases, {"review": "as found", "profile": PROFILE})
    _written(output, len(diseases), sum(len(disease.descriptions) for disease in diseases))


@click.command(cls=Command)
@click.argument("before")
@click.argument("after")
def diff(before: str, after: str) -> None:
    """List the differences between two knowledge bases, one on each line.

    Columns: + or -, disease, what, text. The exit code is 0 even if there are differences.

    \b
    zsderm kb diff dermatology ./my-dermatology
    """
    from zsderm.knowledge import KnowledgeBase
    from zsderm.knowledge.authoring.difference import changes

    bases = [KnowledgeBase.load(name) for name in (before, after)]
    found = list(changes(*bases))
    for change in found:
        print_cells(change.sign, change.disease, change.what, change.text)
    said = counted(len(found), "difference") if found else "no differences"
    say(f"{bases[0].checksum} -> {bases[1].checksum}: {said}")
    if bases[0].reported_checksum != bases[1].reported_checksum:
        say(f"what patients report: {bases[0].reported_checksum} -> {bases[1].reported_checksum}")


@click.command(cls=Command)
@option(
    "--classes",
    required=True,
    type=ClassList(least=1),
    heading=CLASSES,
    help='The classes: a file with one class per line, or "a, b, c".',
)
@option(
    "--output",
    "-o",
    required=True,
    type=ResultFolder(new=True),
    heading=OUTPUT,
    help="The new folder to write.",
)
@endpoint_option(required=True)
@language_model_option(required=True)
@api_key_option
@answers_option
@option(
    "--domain",
    default="skin diseases in photographs",
    show_default=True,
    heading=CLASSES,
    help="What the images show, for the questions.",
)
@option(
    "--aspect",
    "aspects",
    multiple=True,
    heading=RARE,
    help="Ask about this aspect only. May be repeated.  [default: all ten]",
)
@option(
    "--count",
    default=3,
    show_default=True,
    type=click.IntRange(1, 20),
    heading=RARE,
    help="How many sentences to ask for per aspect.",
)
def generate(
    *,
    classes: tuple[str, ...],
    output: Path,
    endpoint: str,
    model: str,
    api_key: str | None,
    domain: str,
    aspects: tuple[str, ...],
    count: int,
    answers: Path | None,
) -> None:
    """Draft a knowledge base for any classes with a language model.

    Every answer is saved when it arrives, so a run that was stopped continues where it was. The draft is checked, and
    marked as unreviewed. Read it before you use it.

    \b
    zsderm kb generate --classes "robin, crow" --output ./birds --endpoint http://localhost:11434/v1 \\
        --language-model M
    """
    from rich.console import Console
    from rich.progress import Progress

    from zsderm import language_model
    from zsderm.knowledge.authoring import generate as drafting
    from zsderm.knowledge.authoring.vocabulary import ASPECTS
    from zsderm.knowledge.base import KnowledgeCard
    from zsderm.knowledge.store import write_base

    asked = aspects or ASPECTS
    with Progress(console=Console(file=sys.stderr), disable=is_quiet() or not sys.stderr.isatty()) as bar:
        task = bar.add_task("Asking", total=len(classes) * len(asked))
        drafted = drafting.draft(
            classes,
            language_model.endpoint(endpoint, model, api_key),
            answers or output.with_name(f"{output.name}-answers"),
            domain=domain,
            aspects=asked,
            count=count,
            model=model,
            advance=lambda: bar.advance(task),
        )
    card = KnowledgeCard(output.name, version="0.0.1-draft", description=f"Drafted by {model}; {drafting.REVIEW}")
    write_base(output, card, drafted.diseases, {"review": drafting.REVIEW, "model": model, "domain": domain})
    for problem in drafted.problems[:_SHOWN]:
        click.echo(f"left out: {problem}", err=True)
    if len(drafted.problems) > _SHOWN:
        click.echo(f"and {len(drafted.problems) - _SHOWN} more left out", err=True)
    _written(output, len(drafted.diseases), sum(len(disease.descriptions) for disease in drafted.diseases))
    click.echo(f"Nobody has reviewed it. Read it, then: zsderm kb validate {output}", err=True)


def _written(folder: Path, classes: int, descriptions: int) -> None:
    click.echo(folder)
    say(f"Written: {counted(classes, 'class', 'classes')}, {counted(descriptions, 'description')}")
