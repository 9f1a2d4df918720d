"""``zsderm pretrain questions``: questions and answers generated from captions."""

from __future__ import annotations

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
from zsderm.cli.options import image_column_option, knowledge_option
from zsderm.cli.parameters import ResultFolder
from zsderm.cli.talk import is_quiet, say

if TYPE_CHECKING:
    from zsderm.pretrain.questions.table import Summary

KINDS = ("disease", "morphology", "colour", "number", "site", "modality")


@click.command(cls=Command)
@click.argument("pairs", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@image_column_option
@option(
    "--engine",
    type=click.Choice(["rules", "server"]),
    default="rules",
    show_default=True,
    heading=IMAGES,
    help="What generates the questions: rules, or a language model on a server.",
)
@option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(KINDS),
    heading=IMAGES,
    help="Generate questions of this kind only. May be repeated.  [default: all]",
)
@knowledge_option
@option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    heading=IMAGES,
    help="The seed of all random choices.",
)
@option(
    "--output",
    "-o",
    required=True,
    type=ResultFolder(new=False),
    heading=OUTPUT,
    help="The folder for questions.csv, conversations.json and dropped.csv.",
)
@endpoint_option()
@language_model_option()
@api_key_option
@answers_option
@requests_options
def questions(
    *,
    pairs: Path,
    image_column: str | None,
    engine: str,
    kinds: tuple[str, ...],
    knowledge: str,
    seed: int,
    output: Path,
    endpoint: str | None,
    model: str | None,
    api_key: str | None,
    answers: Path | None,
    workers: int,
    timeout: float,
) -> None:
    """Generate questions and answers about pictures from their captions.

    PAIRS is a table of images and captions: pairs.csv of zsderm pretrain pages, the table of zsderm pretrain extract,
    or another table. Columns for the modality, the disease and the site are used if they are present.

    Questions ask only about what the caption states. The answer "no" always has a justification: for example, the
    caption denies a sign, or similar diseases have it and this disease does not. For each term there are as many
    questions with the answer yes as with the answer no. The column text_only marks questions that a model answers
    from the text of the question alone.

    With --engine server, a language model writes the questions. Every reply is saved, an interrupted run continues, and
    only questions that the caption supports are kept. dropped.csv lists the questions that were dropped, with reasons.

    \b
    zsderm pretrain questions pairs/pairs.csv --output questions/
    zsderm pretrain questions pairs/pairs.csv --output questions/ --engine server \\
        --endpoint http://localhost:11434/v1 --language-model M
    """
    from zsderm.cli.command_line import command_line
    from zsderm.knowledge import KnowledgeBase
    from zsderm.pretrain.extraction.reading import CaptionReader
    from zsderm.pretrain.questions import table
    from zsderm.pretrain.questions.facts import FactReader
    from zsderm.pretrain.questions.grounding import Grounding
    from zsderm.pretrain.questions.look_alikes import LookAlikes
    from zsderm.pretrain.questions.pairs import read_pairs
    from zsderm.pretrain.questions.rules import RuleQuestions
    from zsderm.pretrain.questions.server import ServerQuestions
    from zsderm.pretrain.questions.verdicts import Verdicts
    from zsderm.progress import counting

    if engine == "server" and not (endpoint and model):
        raise click.UsageError("expected --endpoint URL and --language-model NAME with --engine server.")
    table.refuse_foreign(output)
    found, without = read_pairs(pairs, output, image_column=image_column or "")
    base = KnowledgeBase.load(knowledge)
    reader = CaptionReader(base)
    fact_reader = FactReader(reader)
    facts = table.read_facts(found, fact_reader)
    verdicts = Verdicts(
        fact_reader,
        LookAlikes(reader),
        {known.disease for known in facts if known.disease},
        {pair.modality for pair in found},
    )
    grounding = Grounding(fact_reader, verdicts)
    rules = RuleQuestions(verdicts, seed)
    asks: table.Engine = rules
    if engine == "server" and endpoint and model:
        from zsderm.language_model import Answers
        from zsderm.language_model import endpoint as reach

        kept = Answers(answers or output.with_name(f"{output.name}-answers"), model)
        ask = reach(endpoint, model, api_key, timeout, temperature=0.0)
        asks = ServerQuestions(verdicts, grounding, rules, ask, kept)
    with counting("Asking", len(found), not is_quiet()) as advance:
        asked, dropped = table.ask_all(
            found,
            facts,
            asks,
            grounding,
            seed=seed,
            kinds=kinds or KINDS,
            workers=workers if engine == "server" else 1,  # rules are pure Python: threads would only take turns
            advance=advance,
        )
    settings: dict[str, object] = {"pairs_of": str(pairs), "engine": engine, "language_model": model}
    settings |= {"knowledge": {"name": base.name, "version": base.version, "checksum": base.checksum}}
    summary = table.write_questions(
        asked, dropped, output, pairs=len(found), seed=seed, command=command_line(), settings=settings
    )
    click.echo(output / table.QUESTIONS)
    for reason, count in summary.dropped.most_common():
        click.echo(f"{count}\tdropped: {reason}", err=True)
    for line in lines(summary, without):
        say(line)


def lines(summary: Summary, without: int) -> list[str]:
    """What stderr says of the questions."""
    forms, kinds = summary.forms(), {kind for kind, _ in summary.questions}
    found = [f"{forms.total()} questions on {summary.pairs} pairs: {_counts(forms)}."]
    if forms["closed"]:
        found.append(f"The answer is yes to {100 * summary.yes / forms['closed']:.0f} % of the closed ones.")
    found.append(f"Marked text_only, because they can be answered without the picture: {_counts(summary.text_only)}.")
    if "site" in kinds:
        found.append("Close-up pictures do not show the body site; for them, leave out the kind site with --kind.")
    if without:
        found.append(f"{without} rows were left out because they have no image or no caption.")
    return found


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[form]} {form}" for form in ("open", "closed", "choice") if form in counts) or "none"
