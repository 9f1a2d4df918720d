"""``zsderm ask``: questions about photographs, answered by a vision-language model or by concepts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsderm.cli.endpoint_options import answers_option, api_key_option, language_model_option, requests_options
from zsderm.cli.help import CLASSES, IMAGES, OUTPUT, RARE, SPEED, Command, option
from zsderm.cli.image_sources import images_meant
from zsderm.cli.options import FILE, cache_options, device_option, follow_links_option, image_column_option
from zsderm.cli.parameters import ResultFile
from zsderm.cli.talk import is_quiet, say, timed
from zsderm.config import DEFAULT_MODEL
from zsderm.errors import InputError
from zsderm.wording import counted

if TYPE_CHECKING:
    from zsderm.asking import Question, Sampling
    from zsderm.asking.asking import Answered, Answerer

ANNOTATE = "annotate"
_MODELS = "openai:URL, transformers:FOLDER or annotate"
_DRAWN = "Decoding"
_OF_MODELS = ("temperature", "top_p", "beams", "min_tokens", "max_tokens", "plain", "without_images", "longest_side")


@click.command(cls=Command)
@click.argument("photographs", nargs=-1, metavar="[IMAGE]...", type=click.Path(allow_dash=True))
@option(
    "--images",
    multiple=True,
    type=click.Path(allow_dash=True),
    heading=IMAGES,
    help="An image file, a folder, or a list, as for zsderm classify. May be repeated.  "
    "[default with --questions: the images that the table names, in its folder]",
)
@follow_links_option
@option(
    "--question", "asked", multiple=True, heading=IMAGES, help="A question to ask about every image. May be repeated."
)
@option(
    "--questions",
    type=FILE,
    heading=IMAGES,
    help="A table with the columns image and question (optionally id, answer, kind, form, modality, options), or "
    "conversations in the format of LLaVA (.json).",
)
@image_column_option
@option(
    "--model",
    "-m",
    required=True,
    heading=CLASSES,
    help="openai:URL for an endpoint that implements the OpenAI protocol; transformers:FOLDER for a local model or an "
    "adapter to one; annotate to answer closed questions by scores of visual concepts, without a language model.",
)
@option(
    "--encoder",
    default=DEFAULT_MODEL,
    show_default=True,
    heading=CLASSES,
    help="The encoder that scores visual concepts, with --model annotate.",
)
@option(
    "--threshold",
    default=0.0,
    show_default=True,
    heading=RARE,
    help="The log-odds of a concept above which --model annotate answers yes.",
)
@option(
    "--output",
    "-o",
    required=True,
    type=ResultFile(".csv", ".jsonl", ".parquet"),
    heading=OUTPUT,
    help="The file for the answers: .csv, .jsonl or .parquet.",
)
@language_model_option(old_names=())
@api_key_option
@answers_option
@option(
    "--temperature",
    default=0.0,
    show_default=True,
    heading=_DRAWN,
    help="The sampling temperature; 0 gives the most likely answer.",
)
@option(
    "--top-p",
    default=1.0,
    show_default=True,
    heading=_DRAWN,
    help="The share of the probability mass from which tokens are sampled.",
)
@option(
    "--beams",
    default=1,
    show_default=True,
    heading=_DRAWN,
    help="The number of beams in beam search; local models only.",
)
@option(
    "--min-tokens",
    default=0,
    show_default=True,
    heading=_DRAWN,
    help="The minimum number of tokens in an answer; local models only.",
)
@option(
    "--max-tokens", default=256, show_default=True, heading=_DRAWN, help="The maximum number of tokens in an answer."
)
@option("--seed", default=0, show_default=True, heading=_DRAWN, help="The seed of the sampling.")
@option(
    "--plain",
    is_flag=True,
    heading=RARE,
    help='Do not add instructions such as "Answer with yes or no." to the questions.',
)
@option(
    "--without-images",
    is_flag=True,
    heading=RARE,
    help="Do not show the photographs, to find out which questions can be answered without them.",
)
@option(
    "--longest-side",
    default=1024,
    show_default=True,
    type=click.IntRange(min=16),
    heading=SPEED,
    help="Photographs are reduced so that their longer side has at most this many pixels.",
)
@option(
    "--at-once",
    "batch_size",
    default=8,
    show_default=True,
    type=click.IntRange(min=1),
    heading=SPEED,
    help="How many questions a local model answers in one batch.",
)
@requests_options
@device_option
@cache_options
@click.pass_context
def ask(context: click.Context, /, **given: Any) -> None:
    """Answer questions about photographs with a vision-language model, or with visual concepts.

    The output table has one row for each question, with the columns id, image, question, answer (the right answer, if
    the questions have one), prediction, kind, form (open, closed or choice), modality, options and reason. The column
    reason says why a row has no prediction. Every answer is saved in a folder, so an interrupted run continues, and no
    question is asked twice.

    Photographs are sent only to the address after openai:. They are encoded anew from their pixels, without metadata,
    location or file name. If the address is on another machine, it is named before anything is sent. With --model
    annotate, a question such as "Is there scale?" is answered by the scores of zsderm annotate, and every other
    question gets "no answer".

    \b
    zsderm ask photos/ --question "What colour is the lesion?" --model openai:http://localhost:8000/v1 \\
        --language-model M -o answers.csv
    zsderm ask --images photos/ --questions questions.csv --model transformers:FOLDER -o answers.csv
    zsderm ask photos/ --question "Is there scale?" --model annotate -o answers.csv
    """
    from click.core import ParameterSource

    from zsderm.manifest_files import refuse_others_manifest

    if bool(given["asked"]) == bool(given["questions"]):
        raise click.UsageError("expected either --question or --questions FILE.")
    if not (given["photographs"] or given["images"] or given["questions"]):
        raise click.UsageError("Missing images: name image files or folders, as in zsderm ask photos/.")
    said = {name for name in given if context.get_parameter_source(name) is not ParameterSource.DEFAULT}
    if given["model"] == ANNOTATE and (useless := [name for name in _OF_MODELS if name in said]):
        raise click.UsageError(f"--{useless[0].replace('_', '-')} has no effect with --model annotate; leave it out.")
    refuse_others_manifest(given["output"])
    questions, sources = _asked(given)
    if given["model"] == ANNOTATE:
        rows, facts = _by_concepts(questions, sources, given)
    else:
        rows, facts = _by_model(questions, sources, given)
    _write(rows, facts, given["output"])


def _asked(given: Mapping[str, Any]) -> tuple[list[Question], dict[str, str]]:
    """The questions, and the file of each name of an image; without those that nothing is known of."""
    from zsderm.asking import of_all_images, read_questions
    from zsderm.cli.image_list import found_images
    from zsderm.image_names import ImageNames

    paths = images_meant(given["photographs"], given["images"])
    found = list(found_images(paths, given["follow_links"]).names) if paths else []
    if given["asked"]:
        return of_all_images(found, given["asked"]), {name: name for name in found}
    file: Path = given["questions"]
    questions = read_questions(file, given["image_column"])
    names = dict.fromkeys(question.image for question in questions if question.image)
    if not paths:
        return questions, {name: _beside(file, name) for name in names}
    known = ImageNames(found)
    meant = {name: known.meant_by(name)[0] for name in names}
    sources = {name: found[places[0]] for name, places in meant.items() if len(places) == 1}
    if names and not sources:
        raise InputError(
            f"expected the images that {file} asks about, but none of its {counted(len(names), 'image')} is among "
            "those given. Check --images."
        )
    return questions, sources


def _beside(table: Path, name: str) -> str:
    """A name in a table: looked for in its folder, then in the folder one is in."""
    place = os.path.join(table.parent, name)
    return name if not os.path.lexists(place) and os.path.lexists(name) else place


def sampling_of(given: Mapping[str, Any]) -> Sampling:
    """How the options say that answers are drawn."""
    from zsderm.asking import Sampling

    return Sampling(**{name: given[name] for name in Sampling.__dataclass_fields__})


def language_model_of(model: str, given: Mapping[str, Any], sampling: Sampling) -> Answerer:
    """The model that --model names with openai: or transformers:.

    Args:
        model: the value.
        given: the options language_model, api_key, timeout, workers, device and batch_size.
        sampling: how answers are drawn.

    Raises:
        UsageError: it names neither, or an endpoint without a model.
    """
    if model.startswith("openai:"):
        from zsderm.asking.served import ServedModel

        if not model.removeprefix("openai:"):
            raise click.UsageError("expected an address after openai:, as in openai:http://localhost:8000/v1.")
        if not given["language_model"]:
            raise click.UsageError(
                "expected --language-model NAME with openai:URL, the name of the model at the endpoint."
            )
        key, how = given["api_key"], {"timeout": given["timeout"], "workers": given["workers"]}
        return ServedModel.at(model, given["language_model"], key, sampling, **how)
    if model.startswith("transformers:"):
        from zsderm.asking.local import LocalModel

        where = {"device": given["device"], "batch_size": given["batch_size"]}
        loaded: Answerer = timed(f"Loading {model}", lambda: LocalModel.load(model, sampling, **where))
        return loaded
    raise click.UsageError(f"expected --model {_MODELS}, but got {model!r}.")


def _by_model(
    questions: Sequence[Question], sources: Mapping[str, str], given: Mapping[str, Any]
) -> tuple[list[Answered], dict[str, Any]]:
    from zsderm.asking import ask_all
    from zsderm.progress import counting

    sampling = sampling_of(given)
    model = language_model_of(given["model"], given, sampling)
    output: Path = given["output"]
    folder = given["answers"] or output.with_name(f"{output.stem}-answers")
    how = {"plain": given["plain"], "with_images": not given["without_images"], "longest_side": given["longest_side"]}
    with counting("Asking", len(questions), not is_quiet()) as advance:
        rows = ask_all(questions, model, folder, sources, **how, advance=advance)
    return rows, {"model": dict(model.facts()), "sampling": sampling.facts(), **how}


def _by_concepts(
    questions: Sequence[Question], sources: Mapping[str, str], given: Mapping[str, Any]
) -> tuple[list[Answered], dict[str, Any]]:
    from zsderm.asking.concept_answers import VOCABULARIES, answered_by_concepts
    from zsderm.cli.command_line import command_manifest
    from zsderm.cli.options import loaded_encoder

    encoder = loaded_encoder(given["encoder"], given["device"])
    how = {"threshold": given["threshold"], "cache": given["cache"], "progress": not is_quiet()}
    rows = answered_by_concepts(questions, encoder, sources, **how)
    settings = {"model": {"kind": ANNOTATE}, "threshold": given["threshold"], "concepts": list(VOCABULARIES)}
    return rows, command_manifest(settings, encoder)


def _write(rows: Sequence[Answered], facts: dict[str, Any], output: Path) -> None:
    from zsderm.asking import NO_ANSWER
    from zsderm.asking.asking import answers_frame
    from zsderm.cli.command_line import command_line
    from zsderm.manifest_files import run_facts, versions, write_manifest
    from zsderm.table_files import write_table

    write_table(answers_frame(rows), output)
    write_manifest(output, {"manifest": {"run": run_facts(command_line()), "versions": versions(), **facts}})
    failed = Counter(row.reason for row in rows if row.reason)
    silent = sum(row.prediction == NO_ANSWER for row in rows)
    said = f", {silent} with {NO_ANSWER}" if silent else ""
    say(f"Written: {output}: {counted(len(rows), 'question')}, {len(rows) - failed.total()} answered{said}")
    for reason, count in failed.most_common(5):
        say(f"{count} not answered: {reason}; see the column reason")
    if failed.total() == len(rows):
        raise InputError(f"no question was answered; the reason of the first: {rows[0].reason}.")
