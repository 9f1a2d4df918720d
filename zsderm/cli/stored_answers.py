"""Answers into a folder: for more photographs, or embeddings of them, than one table should hold."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zsderm.cli.failures import end_strictly, print_failures
from zsderm.cli.help import KEPT
from zsderm.cli.summary import count_summary, unsaid_notes
from zsderm.cli.talk import is_quiet, say
from zsderm.errors import ImageError
from zsderm.wording import agrees, counted, none_of

if TYPE_CHECKING:
    from zsderm import ZeroShotClassifier
    from zsderm.given_rows import EmbeddedImages
    from zsderm.prediction_dataset import PredictionDataset

# Options that need the answers for all images at once, and what to do instead.
_OF_ALL = {
    "report": "a page holds all its photographs; write one of fewer images",
    "explain": "heat maps are for fewer images",
    "group_by": "the photographs of a group would have to be in memory; write a table: -o FILE",
    "narratives": "stories are read for all images together; write a table: -o FILE",
    "narrative": "stories are read for all images together; write a table: -o FILE",
}


def check_folder(context: click.Context, output: str) -> None:
    """Refuse a folder that holds something else, and options that need all answers at once, before any work begins.

    Args:
        context: of the command.
        output: the folder.

    Raises:
        UsageError: such an option.
        SettingsError: a folder that holds something else.
    """
    for name, why in _OF_ALL.items():
        if context.params.get(name) is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} cannot be given with -o FOLDER/: {why}.")
    if context.params.get("smooth"):
        raise click.UsageError(
            "--smooth cannot be given with -o FOLDER/: each answer is drawn to those of all others, which would have "
            "to be in memory; write a table: -o FILE"
        )
    if context.params["model"].startswith("supervised:"):
        raise click.UsageError(
            "--model supervised:FOLDER cannot be given with -o FOLDER/, which is for answers from embeddings; write a "
            "table: -o FILE"
        )
    from zsderm.prediction_dataset import PredictionDataset

    PredictionDataset.refuse_others(output)


def write_folder(
    context: click.Context,
    output: str,
    classifier: ZeroShotClassifier,
    images: Any,
    *,
    regions: list[str] | None,
    calibration: Any,
    minimum: float | None,
    top_k: int,
    layout: str,
    strict: bool,
    written: list[Path | None],
) -> None:
    """Answer images into a folder, say what came of it, and end the command as it ends with a table.

    Args:
        context: of the command.
        output: the folder.
        classifier: answers; fitted before, or it learns from these images.
        images: photographs, or embeddings of them.
        regions: of the body, one for each image; None: none is known.
        calibration: a record; None: none is used.
        minimum: the probability below which a label is marked; None marks nothing.
        top_k: how many classes a wide table names.
        layout: "wide" or "long".
        strict: whether a failed image ends the command with exit code 3.
        written: what was written before.

    Raises:
        ImageError: not one image was answered.
    """
    from zsderm.cli.command_line import command_line
    from zsderm.manifest_files import run_facts
    from zsderm.places import folder_at
    from zsderm.written_answers import AnswerSheet, write_answers

    started, folder = time.monotonic(), folder_at(output)
    parts: list[str] = []

    def begun(dataset: PredictionDataset, missing: int) -> None:
        there = dataset.facts.parts - missing
        of_all = f"{there} of {counted(dataset.facts.parts, 'part')} {agrees(there, 'was', 'were')} there"
        parts.append(f"{of_all}, {missing} made" if there else f"{counted(missing, 'part')} made")
        if there and missing:
            say(f"{of_all} already; going on with the others")
        context.meta[KEPT] = f"Complete parts stay in '{folder}': the same command goes on with the others."

    embedded: EmbeddedImages = classifier.embedded(images, progress=not is_quiet())
    sheet = AnswerSheet(top_k=top_k, layout=layout, minimum=minimum, calibration=calibration)
    how: dict[str, Any] = {"regions": regions, "progress": not is_quiet(), "run": run_facts(command_line())}
    dataset = write_answers(output, classifier, embedded, sheet, **how, begun=begun)
    counts, seconds = dataset.counts, time.monotonic() - started
    for line in (*unsaid_notes(context, dataset), *count_summary(counts, dataset, seconds)):
        say(line)
    print_failures(counts.reasons, "the column error", counts.failed)
    for place in filter(None, written):
        say(f"Written: {place}")
    say(f"Written: {folder} ({'; '.join(parts)})")
    if counts.failed == counts.images:
        raise ImageError(f"{none_of(counts.images, 'image')} be classified; what went wrong stands in the folder")
    if strict:
        end_strictly(counts.failed)
