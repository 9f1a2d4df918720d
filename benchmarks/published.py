"""Figures that others have published, shown in italics: measured on other images and with other prompts.

published.csv has one row a figure, with the place where it was read.
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


def published(dataset: str | None = None, task: str = "zero-shot") -> list[Published]:
    """The published figures of a task, for one data set of the command line or for all.

    Args:
        dataset: a name such as "f17k"; the number of classes that a published name ends in is left out.
        task: see `Published`.
    """
    with Path(__file__).with_name("published.csv").open(encoding="utf-8", newline="") as file:
        rows = [Published(**{**row, "value": float(row["value"])}) for row in csv.DictReader(file)]  # type: ignore[arg-type]
    return [row for row in rows if row.task == task and dataset in (None, _plain(row.dataset), row.dataset)]


def to_markdown(rows: Sequence[Published]) -> str:
    """The figures in italics with their sources, and the warning that the images differ; empty when there are none."""
    if not rows:
        return ""
    lines = ["| data set | model | metric | published | source |", "|---|---|---|---|---|"]
    lines += [f"| {row.dataset} | *{row.model}* | {row.metric} | *{row.value:.3f}* | {row.source} |" for row in rows]
    return "\n".join([*lines, "", WARNING])


def _plain(name: str) -> str:
    """The name on the command line: F17K-113 is f17k, while SD-128 keeps its number, which is its name."""
    return name.lower() if name.startswith("SD-") else name.lower().rpartition("-")[0] or name.lower()
