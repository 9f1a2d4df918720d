"""Figures that others have published, shown in italics: measured on other images and with other prompts.

published.csv has one row a figure, with the place where it was read and perhaps a note on what it is worth.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WARNING = (
    "*In italics: figures published by others, as read in the source named. They are on other images (the whole sets, "
    "or the authors' own test splits) and with other prompts, so they tell the order of magnitude and no ranking.*"
)


@dataclass(frozen=True)
class Published:
    """One figure from a paper or its repository."""

    task: str  # "zero-shot", "concepts", "retrieval"
    dataset: str  # as published, such as "F17K-113"
    metric: str
    model: str
    value: float
    source: str
    note: str = ""  # why the figure says less than it seems, such as near copies of the test images in training


def published(dataset: str | None = None, task: str | None = "zero-shot") -> list[Published]:
    """The published figures of one task or all, for one data set of the command line or for all.

    Args:
        dataset: a name such as "f17k"; the number of classes that a published name ends in is left out.
        task: see `Published`; None for all of them.
    """
    with Path(__file__).with_name("published.csv").open(encoding="utf-8", newline="") as file:
        rows = [Published(**{**row, "value": float(row["value"])}) for row in csv.DictReader(file)]  # type: ignore[arg-type]
    return [row for row in rows if task in (None, row.task) and dataset in (None, _plain(row.dataset), row.dataset)]


def to_markdown(rows: Sequence[Published]) -> str:
    """The figures in italics with their sources and notes, and the warning that the images differ; empty for none."""
    if not rows:
        return ""
    lines = ["| data set | model | metric | published | source |", "|---|---|---|---|---|"]
    lines += [f"| {row.dataset} | *{row.model}* | {row.metric} | *{row.value:.3f}* | {row.source} |" for row in rows]
    return "\n\n".join(["\n".join(lines), *_notes(rows), WARNING])


def _notes(rows: Sequence[Published]) -> list[str]:
    """Each note once, with the figures that it is on."""
    on: dict[str, list[str]] = {}
    for row in rows:
        if row.note:
            on.setdefault(row.note, []).append(f"*{row.model}* on {row.dataset}")
    return [f"{', '.join(dict.fromkeys(figures))}: {note}." for note, figures in on.items()]


def _plain(name: str) -> str:
    """The name on the command line: F17K-113 is f17k, while SD-128 keeps its number, which is its name."""
    return name.lower() if name.startswith("SD-") else name.lower().rpartition("-")[0] or name.lower()
