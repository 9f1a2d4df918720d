"""What stands beside the tables that ``zsderm classify`` writes, and which run they say they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from zsderm import Predictions
    from zsderm.groups import GroupPredictions


def refuse_others_files(images: Sequence[str], output: Path | None, grouped: bool, explain: Path | None) -> None:
    """Refuse to replace what zsderm did not write, and to put heat maps where they would be taken for photographs."""
    if output is not None:
        from zsderm.atomic_files import refuse_others
        from zsderm.groups import MARK, groups_file
        from zsderm.manifest_files import refuse_others_manifest

        if grouped:
            refuse_others(groups_file(output), MARK)
        for table in (output, groups_file(output))[: 1 + grouped]:
            if table.suffix.lower() == ".csv":
                refuse_others_manifest(table)
    if explain is not None:
        from zsderm.tasks.explanation.folder import refuse_others_in

        place = explain.resolve()
        for folder in filter(Path.is_dir, map(Path, images)):
            if place.is_relative_to(folder.resolve()):
                raise click.UsageError(
                    f"--explain '{explain}' lies in --images '{folder}', where heat maps would be taken for "
                    "photographs the next time. Choose another folder."
                )
        refuse_others_in(explain)


def save_tables(
    predictions: Predictions, grouped: GroupPredictions | None, output: Path | None, top_k: int, layout: str
) -> list[Path]:
    """Write the table of answers, and beside it that of groups; returns where they are, nowhere without an output."""
    if output is None:
        return []
    predictions.save(output, top_k, layout)
    if grouped is None:
        return [output]
    from zsderm.groups import groups_file

    grouped.save(groups_file(output), top_k, layout)
    return [output, groups_file(output)]


def with_run(predictions: Predictions, grouped: GroupPredictions | None) -> tuple[Predictions, GroupPredictions | None]:
    """Both with the command line, the time and the commit in their manifests."""
    from zsderm.cli.command_line import command_line
    from zsderm.manifest_files import run_facts

    run = {"run": run_facts(command_line())}
    predictions = replace(predictions, manifest={**predictions.manifest, **run})
    if grouped is None:
        return predictions, None
    answers = replace(grouped.answers, manifest={**grouped.answers.manifest, **run})
    return predictions, replace(grouped, photographs=predictions, answers=answers)


def with_minimum(
    predictions: Predictions, grouped: GroupPredictions | None, minimum: float
) -> tuple[Predictions, GroupPredictions | None]:
    """Answers that know which of them are less probable than asked for, and say so in their manifest."""
    from zsderm.prediction_dataset.counts import minimum_note

    predictions = replace(predictions, minimum=minimum)
    count = int(predictions.below_minimum.sum())
    notes = [*predictions.notes, *([minimum_note(count, minimum)] if count else [])]
    predictions = replace(predictions, manifest={**predictions.manifest, "min_probability": minimum, "notes": notes})
    if grouped is None:
        return predictions, None
    answers = replace(grouped.answers, minimum=minimum, manifest=predictions.manifest)
    return predictions, replace(grouped, photographs=predictions, answers=answers)
