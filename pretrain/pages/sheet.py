"""The contact sheet: every picture with its caption, for checking, striking out and correcting by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zsderm.pretrain.pages.collection import SHEET, Collected
from zsderm.pretrain.pages.modality import MODALITIES
from zsderm.pretrain.pages.pairing import DRAWN, NO_CAPTION, NO_PICTURE
from zsderm.report.pictures import side_for, thumbnails
from zsderm.report.template import read_script, write_page


@dataclass(frozen=True)
class Card:
    """One picture on the page."""

    picture: str  # a data URI; empty where it cannot be opened
    filename: str
    heading: str
    place: str
    caption: str
    modality: str
    score: float | None
    facts: tuple[tuple[str, str], ...]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A section of cards; they are made while the page is written."""

    heading: str
    legend: str
    cards: Iterator[Card]
    count: int


def write_sheet(collected: Collected, output: Path) -> Path:
    """Write the sheet beside the tables.

    Args:
        collected: what was found.
        output: the folder of the run.

    Returns:
        The path of the page.

    Raises:
        SettingsError: the place cannot be written.
    """
    alone = [row for row in collected.dropped if row["reason"] == NO_CAPTION and row["filename"]]
    lost = [row for row in collected.dropped if row["reason"] in (NO_PICTURE, DRAWN)]
    side = side_for(len(collected.pairs) + len(alone))
    parts = [
        Part(
            "Pairs",
            "Each picture with the caption that was matched to it. Strike out wrong pairs, or correct them.",
            _cards(collected.pairs, output, side),
            len(collected.pairs),
        ),
        Part(
            "Pictures without a caption",
            "These pictures are in no pair. Write a caption to make a pair.",
            _cards(alone, output, side),
            len(alone),
        ),
    ]
    files = "\n".join(row["filename"] for row in (*collected.pairs, *alone))
    write_page(
        "pages.html.j2",
        output / SHEET,
        parts=[part for part in parts if part.count],
        lost=lost,
        reasons=collected.reasons.most_common(),
        modalities=MODALITIES,
        count=len(collected.pairs),
        documents=collected.documents,
        key=hashlib.sha256(files.encode()).hexdigest()[:16],
        script=read_script("pages.js"),
    )
    return output / SHEET


def _cards(rows: Sequence[dict[str, Any]], output: Path, side: int) -> Iterator[Card]:
    pictures = thumbnails((output / row["filename"] for row in rows), side)
    for row, picture in zip(rows, pictures, strict=True):
        figure = f"Figure {row['figure']}{row.get('letter', '')}" if row["figure"] else "No figure number"
        facts = [("Box", row["box"]), ("Caption at", row.get("side", "")), ("Age", row.get("age", ""))]
        facts += [("Sex", row.get("sex", "")), ("Credit", row.get("credit", ""))]
        yield Card(
            picture=picture,
            filename=row["filename"],
            heading=figure,
            place=f"{row['source']}, page {row['page']}",
            caption=row["caption"],
            modality=row.get("modality", ""),
            score=row.get("modality_score") or None,
            facts=tuple((name, str(text)) for name, text in facts if text),
            flags=tuple(flag for flag in str(row.get("flags", "")).split("; ") if flag),
        )
