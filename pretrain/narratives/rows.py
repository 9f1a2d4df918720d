"""Stories out of a table, and which of them are trained with.

A row has narrative, label and split, as the written stories have and what `zsderm pretrain stories` makes. It may have
id, source (patient, written), a column that groups rows (such as patient_id), and options: a list in JSON, the classes
in the order in which an image model that has not seen the image of this row ranks them, the first one first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zsderm import KnowledgeBase
from zsderm.errors import InputError, PretrainingDataError
from zsderm.image_table import ImageTable
from zsderm.narratives import masking
from zsderm.narratives.written import SPLITS, STORIES
from zsderm.pretrain.narratives.config import NarrativesConfig
from zsderm.stored_json import parse_json
from zsderm.table_files import UNKNOWN_WORDS, read_cells


@dataclass(frozen=True)
class Story:
    """One row."""

    id: str
    narrative: str
    label: str
    split: str  # train, dev, test
    group: str  # rows of one group stay together where folds are made
    source: str = ""
    options: tuple[str, ...] = ()  # as an image model ranks them; empty where there is none


def read_stories(config: NarrativesConfig, root: Path | None) -> list[Story]:
    """The stories that a configuration names.

    Args:
        config: the settings.
        root: the data folder, which `stories` is relative to.

    Raises:
        PretrainingDataError: the table cannot be read, a row lacks something, folds are to be made of groups that it
            does not name, or a split that is needed is empty.
    """
    path = (root or Path()) / config.stories if config.stories else STORIES
    if not path.is_file():
        raise PretrainingDataError(f"There is no table {path}. `stories` is relative to the data folder.")
    try:
        frame = read_cells(path)
    except InputError as error:
        raise PretrainingDataError(str(error)) from error
    table = ImageTable(path, frame, "")
    if config.folds and config.group not in frame.columns:
        raise PretrainingDataError(
            f"Setting `group` names {config.group!r}, which {path} has no column of, so that rows of one patient would "
            f"come into several folds. Its columns are: {', '.join(frame)}."
        )
    groups = table.ids(config.group) if config.group in frame.columns else [""] * len(frame)
    records: list[dict[str, str]] = frame.to_dict(orient="records")
    rows = [
        _story(f"{path}: row {number}", record, group)
        for number, (record, group) in enumerate(zip(records, groups, strict=True), start=1)
    ]
    rows = _in_folds(rows, config) if config.folds else rows
    if len({row.label for row in rows if row.split == "train"}) < 2:
        raise PretrainingDataError(f"Expected stories of two diseases or more to train with in {path}.")
    return rows


def classes_of(stories: Sequence[Story], knowledge: KnowledgeBase) -> tuple[str, ...]:
    """The classes of a run, in alphabetical order: the labels of all stories, each of which is a disease of the base.

    Raises:
        UnknownClassError: one is not.
        PretrainingDataError: a label without stories to train with, two for one disease, or an option that is no label.
    """
    labels = sorted({story.label for story in stories})
    found: dict[str, str] = {}
    for label in labels:
        if (twin := found.setdefault(knowledge.find(label).name, label)) != label:
            raise PretrainingDataError(f"The labels {twin!r} and {label!r} are one disease of the base. Use one name.")
    learned = {story.label for story in stories if story.split == "train"}
    if missing := [label for label in labels if label not in learned]:
        raise PretrainingDataError(f"There is no story of {missing[0]!r} to train with, only to evaluate.")
    if strange := sorted({name for story in stories for name in story.options} - set(labels)):
        raise PretrainingDataError(f"Expected 'options' to be labels of the table, but {strange[0]!r} is none.")
    return tuple(labels)


def without_names(stories: Sequence[Story], knowledge: KnowledgeBase) -> list[Story]:
    """The same stories, in which names of diseases are masked: what is read later is masked as well."""
    labels = sorted({story.label for story in stories})
    read = masking.without_names([story.narrative for story in stories], knowledge, labels)
    return [replace(story, narrative=text) for story, text in zip(stories, read, strict=True)]


def _story(place: str, record: Mapping[str, str], group: str) -> Story:
    for name in ("narrative", "label"):
        if record.get(name, "").strip().lower() in UNKNOWN_WORDS:
            raise PretrainingDataError(
                f"{place}: expected {name!r} to be a text, but got {record.get(name, '')!r:.60}."
            )
    split, ranked = record.get("split", "train"), record.get("options", "")
    if split not in SPLITS:
        raise PretrainingDataError(
            f"{place}: expected 'split' to be one of {', '.join(SPLITS)}, but got {split!r:.60}."
        )
    try:
        options: Any = parse_json(ranked) if ranked else []
    except ValueError:
        options = None
    if not isinstance(options, list) or not all(isinstance(name, str) for name in options):
        raise PretrainingDataError(f"{place}: expected 'options' to be a list of labels, but got {ranked!r:.60}.")
    name = record.get("id") or record.get("image") or place
    return Story(
        id=name,
        narrative=record["narrative"],
        label=record["label"].strip(),
        split=split,
        group=group or name,
        source=record.get("source", ""),
        options=tuple(options),
    )


def _in_folds(rows: Sequence[Story], config: NarrativesConfig) -> list[Story]:
    """The stories of the train split, those of one fold to test; and those of dev. The test split is left alone."""
    from sklearn.model_selection import StratifiedGroupKFold

    divided = [row for row in rows if row.split == "train"]
    groups = [row.group for row in divided]
    if (count := len(set(groups))) < config.folds:
        raise PretrainingDataError(f"Expected {config.folds} groups or more for as many folds, but got {count}.")
    made = StratifiedGroupKFold(config.folds, shuffle=True, random_state=0)  # the same for every seed
    labels = np.array([row.label for row in divided])
    tested = set(list(made.split(labels, labels, groups))[config.fold][1].tolist())
    parts = [replace(row, split="test") if index in tested else row for index, row in enumerate(divided)]
    return [*parts, *(row for row in rows if row.split == "dev")]


def checksum_lines(stories: Sequence[Story]) -> list[str]:
    """What a checksum of the stories is taken of."""
    return [json.dumps([story.id, story.narrative, story.label, story.split, *story.options]) for story in stories]
