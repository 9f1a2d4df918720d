"""What ``zsderm classify`` and ``calibrate`` say on stderr when photographs are answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from zsderm.wording import agrees, counted

if TYPE_CHECKING:
    from zsderm import Predictions
    from zsderm.groups import GroupPredictions
    from zsderm.prediction_dataset import PredictionDataset
    from zsderm.prediction_dataset.counts import AnswerCounts

_SHOWN = 8  # classes listed


def unsaid_notes(context: click.Context, predictions: Predictions | PredictionDataset) -> Iterator[str]:
    """What stands in the manifest to be known of the answers, without what was a note or a warning before."""
    said = context.find_root().obj or set()
    for note in predictions.notes:
        if " ".join(note.split()) not in said:
            yield f"Note: {note}"


def summary(predictions: Predictions, seconds: float) -> Iterator[str]:
    """The run in a few lines: how many images, by which method, which classes were named."""
    from zsderm.prediction_dataset.counts import AnswerCounts

    yield from count_summary(AnswerCounts.of(predictions), predictions, seconds)


def count_summary(counts: AnswerCounts, found: Predictions | PredictionDataset, seconds: float) -> Iterator[str]:
    """As `summary`, of what was counted of answers that may be on disk."""
    done = counts.images - counts.failed
    images = counted(counts.images, "image")
    yield f"{images}, {done} classified in {seconds:.1f} s; method {found.method}, prior {found.prior}"
    yield from done_and_why(found)
    width = max((len(name) for name in counts.labels), default=0)
    for name, count in Counter(counts.labels).most_common(_SHOWN):
        yield f"  {name:<{width}}  {count:>5}  {count / done:>4.0%}"
    if len(counts.labels) > _SHOWN:
        yield f"  and {counted(len(counts.labels) - _SHOWN, 'more class', 'more classes')}"
    if counts.abstained is not None:
        yield f"  {counts.abstained} of them may be none of these: see the column abstained"


def done_and_why(found: Predictions | PredictionDataset) -> Iterator[str]:
    """What was learned from the images, if anything was; where nothing was refined, a note says so."""
    if found.refinement and not any(note.startswith(found.refinement) for note in found.notes):
        yield found.refinement


def group_summary(grouped: GroupPredictions | None) -> Iterator[str]:
    """The groups in a line or two; nothing without groups."""
    if grouped is None:
        return
    members, done = grouped.members, int(grouped.answers.ok.sum())
    groups = counted(len(members), "group")
    yield f"{groups} by {grouped.by}, {done} of them answered from the mean of their photographs"
    if grouped.answers.unrefined_labels is not None:
        yield f"  {int(grouped.answers.changed.sum())} of these answers changed"
    if members.alone:
        of_all = f"{members.alone} of {counted(len(grouped.photographs), 'photograph')}"
        yield f"  {of_all} {agrees(members.alone, 'has', 'have')} no {grouped.by}; each is a group of its own"
