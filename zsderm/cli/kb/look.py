"""``zsderm kb``: look into knowledge bases, and check them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zsderm.cli.help import Group
from zsderm.cli.image_list import check_one_opens
from zsderm.cli.kb.make import build, diff, generate
from zsderm.cli.options import cache_options
from zsderm.cli.parameters import ResultFile
from zsderm.cli.talk import say
from zsderm.cli.terminal import print_cells
from zsderm.config import DEFAULT_KNOWLEDGE, DEFAULT_MODEL
from zsderm.errors import AmbiguousClassError, UnknownClassError, UnknownKnowledgeBaseError, ZsdermError
from zsderm.wording import counted

if TYPE_CHECKING:
    from zsderm.knowledge import Disease, KnowledgeBase, KnowledgeCard
    from zsderm.knowledge.authoring.checks.problem import Problem


FINDINGS = ("severity", "check", "file", "disease", "text", "reason")  # columns of validate --output

judge_option = click.option(
    "--judge",
    metavar="MODEL",
    help="The model that compares meanings: one of sentence-transformers, by its name on the Hugging Face hub or as a "
    "folder.  [default: the bundled all-MiniLM-L6-v2]",
)


@click.group(cls=Group)
def kb() -> None:
    """List, search, check and make knowledge bases: what diseases look like, in sentences.

    NAME is a bundled knowledge base, a folder of .jsonl files, or one .jsonl file.

    \b
    zsderm kb list
    zsderm kb show dermatology "basal cell carcinoma"
    zsderm kb search "pearly rolled border"
    zsderm kb validate ./my-knowledge/
    zsderm kb build cupl.json --output ./my-knowledge
    """


for command in (build, diff, generate):
    kb.add_command(command)


@kb.command("list")
def list_bases() -> None:
    """List the bundled knowledge bases, one on each line, with tabs between the columns.

    \b
    zsderm kb list
    zsderm kb list | cut -f1
    """
    from zsderm.knowledge import KnowledgeBase, library

    _table("name", "version", "diseases", "descriptions", "licence", "checksum")
    for name in library.bundled():
        base = KnowledgeBase.load(name)
        _table(name, base.version, len(base.diseases), len(base), base.card.licence, base.checksum)


@kb.command()
@click.argument("name")
@click.argument("disease", required=False)
@click.option(
    "--semantic/--no-semantic",
    default=True,
    show_default=True,
    help="Suggest diseases by meaning where DISEASE is like no name; loads a sentence model.",
)
@judge_option
def show(name: str, disease: str | None, semantic: bool, judge: str | None) -> None:
    """Show the diseases of a knowledge base, or everything it says about one of them.

    DISEASE may be an alias, in any spelling.

    \b
    zsderm kb show dermatology
    zsderm kb show dermatology BCC
    zsderm kb show dermatology "flesh eating sun spot"
    """
    from zsderm.knowledge import KnowledgeBase

    base = KnowledgeBase.load(name)
    if disease is None:
        _show_base(base)
        return
    try:
        found = base.find(disease)
        _show_disease(found, base.card)
        for report in base.reports_for([found.name])[found.name]:
            _table("reported", report.about, report.text)
    except AmbiguousClassError:
        raise
    except UnknownClassError as error:
        suggestion = _by_meaning(base, disease, judge) if semantic else ""
        raise UnknownClassError(f"{error}{suggestion}") from error


@kb.command()
@click.argument("words", nargs=-1, metavar="[NAME] [QUERY]")
@click.option("--image", type=click.Path(dir_okay=False, path_type=Path), help="Search by a photograph, not by a text.")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="The encoder for --image.")
@click.option(
    "--limit", default=10, show_default=True, type=click.IntRange(min=1), help="How many lines are listed at most."
)
@cache_options
def search(words: tuple[str, ...], image: Path | None, model: str, limit: int, cache: Path | None) -> None:
    """Find the names, aliases and descriptions that say what QUERY says, best first; also names in other languages.

    With --image: the descriptions that a photograph is most like, of all diseases. Without NAME it looks into
    "dermatology". Columns: score, disease, where, shows, text.

    \b
    zsderm kb search "pearly rolled border"
    zsderm kb search dermatology "solar keratosis"
    zsderm kb search ./my-knowledge/ "blue grey ovoid nests" --limit 3
    zsderm kb search --image examples/images/PAT_1071_312_841.jpg
    """
    from zsderm.knowledge import KnowledgeBase
    from zsderm.knowledge.search import search as find_hits

    if image is not None:
        _search_by_image(words, image, model, limit, cache)
        return
    if not words:
        raise click.UsageError("expected a QUERY in quotes, or --image FILE.")
    *names, query = words
    if len(names) > 1:
        raise click.UsageError(f"expected [NAME] QUERY, but got {len(words)} arguments. Put the query in quotes.")
    try:
        base = KnowledgeBase.load(names[0] if names else DEFAULT_KNOWLEDGE)
    except UnknownKnowledgeBaseError as error:
        raise UnknownKnowledgeBaseError(f"{error}. A query of several words goes in quotes.") from error
    hits = find_hits(base, query, limit)
    for hit in hits:
        _table(f"{hit.score:.3f}", hit.disease, hit.where, hit.shows, hit.text)
    if not hits:
        click.echo(f"Nothing in knowledge base {base.name!r} is like {query!r}. Try fewer words.", err=True)


@kb.command()
@click.argument("name", metavar="NAME|PATH", default=DEFAULT_KNOWLEDGE)
@click.option(
    "--report",
    is_flag=True,
    help="Measure its quality with a sentence model and an encoder too, and print that as Markdown.",
)
@click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="The encoder for --report, beside a sentence model."
)
@judge_option
@click.option(
    "--profile",
    type=click.Choice(["full", "minimal"]),
    help="minimal: what any base needs in order to work.  [default: what base.json says, else full]",
)
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@click.option(
    "--output",
    "-o",
    type=ResultFile(".csv"),
    help="Write the findings into a .csv table as well; with --report also what the sentence model finds.",
)
@click.pass_context
def validate(
    ctx: click.Context,
    name: str,
    report: bool,
    model: str,
    judge: str | None,
    profile: str | None,
    strict: bool,
    output: Path | None,
) -> None:
    """Check a knowledge base: fields, words that no photograph shows, names, repeats, what is missing.

    The minimal profile asks less: the base can be loaded, every class has a name of its own and a description, none
    twice, each printable and of at most 2000 characters. Bases of zsderm kb build keep to it, and their base.json says
    so.

    Prints one finding on each line, errors first: severity, kind of check, disease and reason. An error has to be
    mended and makes the exit code 1; a warning should be looked at. With --report a page follows: counts, readability,
    near-duplicates, specificity of diseases and sentences, texts too long for CLIP.

    \b
    zsderm kb validate dermatology
    zsderm kb validate dermatology --strict --output findings.csv
    zsderm kb validate dermatology --report > quality.md
    zsderm kb validate ./my-knowledge/lumps.jsonl
    """
    from zsderm.knowledge.authoring.checks.problem import SEVERITIES
    from zsderm.knowledge.authoring.validate import validate as find_problems

    problems = sorted(find_problems(name, profile), key=lambda problem: SEVERITIES.index(problem.severity))
    for problem in problems:
        _table(problem.severity, problem.check, problem.disease, problem.reason)
    counts = [sum(problem.severity == severity for problem in problems) for severity in SEVERITIES]
    found = " and ".join(counted(count, what) for count, what in zip(counts, SEVERITIES, strict=True) if count)
    say(f"{name}: {found or 'no problems'}")
    if report:
        if problems:
            click.echo()  # a page of its own, apart from the table
        problems += _print_quality(name, model, judge)
    if output:
        _write_findings(output, name, problems)
    ctx.exit(1 if counts[0] or (strict and counts[1]) else 0)


def _print_quality(name: str, model: str, judge: str | None) -> list[Problem]:
    """The page of --report; what it finds about single sentences is returned."""
    from zsderm import KnowledgeBase, load_encoder
    from zsderm.encoders.sentence_model import SentenceModel
    from zsderm.tasks.knowledge_quality.measure import quality

    measured = quality(SentenceModel(judge), KnowledgeBase.load(name), load_encoder(model))
    click.echo(measured.to_markdown())
    options = f"--model {shlex.quote(model)}" + (f" --judge {shlex.quote(judge)}" if judge else "")
    click.echo(f"Written by `zsderm kb validate {shlex.quote(name)} --report {options}`.")
    return list(measured.problems())


def _write_findings(output: Path, name: str, problems: Sequence[Problem]) -> None:
    from zsderm.csv_files import csv_file, header_mark
    from zsderm.knowledge import library, reported
    from zsderm.knowledge.authoring.checks.reported import CHECK

    location = library.locate(name)
    files = library.files_of_diseases(location)
    told = {disease: f"{reported.FOLDER}/{file}" for disease, file in reported.files_of_diseases(location).items()}
    with csv_file(output, FINDINGS, mark=header_mark(FINDINGS)) as rows:
        for found in problems:
            file = (told if found.check == CHECK else files).get(found.disease, "")
            rows.write((found.severity, found.check, file, found.disease, found.text, found.reason))


def _by_meaning(base: KnowledgeBase, disease: str, judge: str | None) -> str:
    """A line naming the diseases nearest in meaning; empty where spelling gave a hint, or without the bundled model.

    Raises:
        CheckpointError: the named model cannot be loaded.
    """
    if base.hint(disease):
        return ""
    from zsderm.encoders.sentence_model import SentenceModel
    from zsderm.tasks.knowledge_quality.suggest_names import suggest_names

    try:
        nearest = suggest_names(SentenceModel(judge), base, disease)
    except ZsdermError:
        if judge:
            raise
        return ""  # the mistake to report is the name, and not that this installation lacks the weights
    return f"\nNearest in meaning: {' or '.join(map(repr, nearest))}."


def _search_by_image(words: tuple[str, ...], image: Path, model: str, limit: int, cache: Path | None) -> None:
    from zsderm import KnowledgeBase, load_encoder
    from zsderm.tasks.retrieval.description_search import nearest_descriptions

    check_one_opens([str(image)])
    if len(words) > 1:
        raise click.UsageError("expected at most the NAME of a knowledge base beside --image.")
    base = KnowledgeBase.load(words[0] if words else DEFAULT_KNOWLEDGE)
    for match in nearest_descriptions(load_encoder(model), base, image, limit, cache):
        found = match.description
        _table(f"{match.score:.3f}", found.disease, found.aspect, found.shows, found.text)


def _show_base(base: KnowledgeBase) -> None:
    card = base.card
    say(f"{card.name} {card.version}, {card.licence}, checksum {base.checksum}. {card.description}")
    _table("disease", "descriptions", "ontology", "aliases")
    for disease in (*base.diseases.values(), *base.groups.values()):
        aliases = base.card.groups.get(disease.name) or disease.aliases  # a group: the diseases it pools
        _table(disease.name, len(disease.descriptions), " > ".join(disease.ontology), _joined(aliases))


def _show_disease(disease: Disease, card: KnowledgeCard) -> None:
    _table("name", disease.name)
    for what, lists in (("members", card.groups), ("members", card.pools), ("kinds", card.kinds)):
        if members := lists.get(disease.name):
            _table(what, _joined(members))
    _table("aliases", _joined(disease.aliases))
    if subtypes := card.subtypes.get(disease.name):  # of these aliases
        _table("only kinds", _joined(subtypes))
    for language, names in card.names.items():
        if own := names.get(disease.name):
            _table(f"in {language}", _joined(own))
    _table("ontology", " > ".join(disease.ontology))
    _table("sites", _joined(disease.sites))
    _table("concepts", _joined(disease.concepts))
    for text in disease.descriptions:
        _table(text.aspect, text.modality, text.shows, text.text)


def _joined(names: Iterable[str]) -> str:
    return ", ".join(names)


def _table(*cells: object) -> None:
    """One row on stdout."""
    print_cells(*cells)
