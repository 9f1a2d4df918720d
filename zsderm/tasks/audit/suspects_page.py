"""The page of likely label errors and off-topic photographs, on which labels are corrected and downloaded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from zsderm.csv_files import JSON_ESCAPES, into_cell
from zsderm.file_names import printable
from zsderm.report.contact_sheet import Tile
from zsderm.report.template import write_page
from zsderm.stored_json import checksum_of
from zsderm.tasks.audit.suspects import Suspects

FEWEST, MOST = 20, 200  # cards of doubtful labels; the table has all photographs
STRANGE = 20  # cards of unfamiliar photographs
# JSON inside of a page: nothing in it may end the script or begin a comment.
_IN_PAGE = JSON_ESCAPES | {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


@dataclass(frozen=True)
class Card:
    """One photograph that is to be looked at, with photographs to compare it with."""

    row: int
    heading: str
    note: str
    label: str  # as it is; empty where there is none
    path: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class CardPart:
    """A section of the page; its cards are gone through once."""

    heading: str
    legend: str
    cards: Iterable[Card]


@dataclass(frozen=True)
class SuspectsPage:
    """What the page says."""

    title: str
    lead: str
    facts: Sequence[tuple[str, str]]
    parts: Sequence[CardPart]
    data: str  # JSON for its script


def write_suspects(suspects: Suspects, path: str | os.PathLike[str]) -> None:
    """Write the page as HTML that needs no other file and no network; the file is replaced whole or not at all.

    Raises:
        SettingsError: the place cannot be written.
    """
    write_page("suspects.html.j2", path, page=_page(suspects))


def _page(suspects: Suspects) -> SuspectsPage:
    parts, titles = [], []
    if suspects.by_label.size:
        shown = suspects.by_label[: min(max(suspects.doubtful, FEWEST), MOST)].tolist()
        titles.append(suspects.headline)
        parts.append(
            CardPart(
                "Likely label errors",
                f"The {len(shown)} labels of lowest quality, the most doubtful first. Beside each photograph stand the "
                "nearest one of its label and the nearest one of the suggested class, of other patients or lesions.",
                (_label_card(suspects, rank, row) for rank, row in enumerate(shown, start=1)),
            )
        )
    if suspects.by_familiarity.size:
        strange = suspects.by_familiarity[:STRANGE].tolist()
        titles.append(f"the {len(strange)} least familiar of {len(suspects.by_familiarity)} photographs")
        parts.append(
            CardPart(
                "Perhaps off topic",
                "The photographs that are least like any other of the set, the strangest first. In every set some are; "
                "that alone is no fault.",
                (_strange_card(suspects, rank, row) for rank, row in enumerate(strange, start=1)),
            )
        )
    title = "; ".join(titles) or "nothing could be judged"
    return SuspectsPage(
        title=title[0].upper() + title[1:],
        lead="Look, choose what it is, download the corrections.",
        facts=suspects.facts,
        parts=parts,
        data=_data(suspects),
    )


def _label_card(suspects: Suspects, rank: int, row: int) -> Card:
    given, suggested = suspects.label(row), suspects.suggestion(row)
    tiles = [Tile(suspects.images[row], "this photograph")]
    for name, which in ((given, suspects.labels[row]), (suggested, suspects.doubts.suggested[row])):
        nearest = _nearest(suspects, row, int(which))
        if nearest is not None and name not in [tile.mark for tile in tiles]:
            tiles.append(Tile(suspects.images[nearest], name))
    question = f"{given}, or {suggested}?" if suggested != given else f"{given}?"
    return Card(
        row=row,
        heading=f"{rank}. {question}",
        note=f"quality {suspects.doubts.quality[row]:.3f}{', doubtful' if suspects.doubts.doubtful[row] else ''}",
        label=given,
        path=printable(suspects.images[row]),
        tiles=tiles,
    )


def _strange_card(suspects: Suspects, rank: int, row: int) -> Card:
    return Card(
        row=row,
        heading=f"{rank}. {suspects.label(row) or 'without a label'}",
        note=f"familiarity {suspects.familiarity[row]:.3f}",
        label=suspects.label(row),
        path=printable(suspects.images[row]),
        tiles=[Tile(suspects.images[row])],
    )


def _nearest(suspects: Suspects, row: int, label: int) -> int | None:
    """The photograph of a label that is most like another one, of another group; None where there is none."""
    if suspects.features is None:
        return None
    there = (suspects.labels == label) & (suspects.groups != suspects.groups[row]) & suspects.features.any(axis=1)
    others = np.flatnonzero(there)
    return int(others[(suspects.features[others] @ suspects.features[row]).argmax()]) if others.size else None


def _data(suspects: Suspects) -> str:
    names = [printable(image) for image in suspects.images]
    others = list(suspects.columns.values())
    content = {
        # Tells this page from one that was written to the same place before, whose corrections are not for this.
        "report": checksum_of({"images": names, "classes": list(suspects.classes)})[:12],
        "classes": list(suspects.classes),
        "cells": [into_cell(name) for name in suspects.classes],
        "columns": list(map(into_cell, suspects.columns)),
        "photos": [
            {"image": into_cell(name), "label": label, "others": [into_cell(cells[row]) for cells in others]}
            for row, (name, label) in enumerate(zip(names, suspects.labels.tolist(), strict=True))
        ],
        "suggested": suspects.doubts.suggested.tolist(),
    }
    return json.dumps(content, ensure_ascii=False).translate(_IN_PAGE)
