"""Reads pairs from a table: images, captions, and the columns for modality, disease and site."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zsderm.errors import PretrainingDataError
from zsderm.image_table import LABEL_COLUMNS, known_column
from zsderm.modalities import modality_of
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.published_format import CAPTION_COLUMNS, text_of
from zsderm.pretrain.data.records import Place
from zsderm.pretrain.data.sources import read_rows
from zsderm.pretrain.extraction.answer import NO_DISEASE
from zsderm.pretrain.questions.question import Pair

_DISEASES = ("disease", *LABEL_COLUMNS)
_SITES = ("site", "body_site", "localization", "location", "region", "anatom_site_general", "anatom_site")
MORE = ("source", "page", "figure")  # columns of `zsderm pretrain pages` that go along


def read_pairs(table: Path, output: Path, *, image_column: str = "") -> tuple[list[Pair], int]:
    """The rows of a table that have a picture's name and a caption, and how many have not.

    Beside these, a column modality, a disease (disease, label, diagnosis, dx, ...) and a site (site, localization,
    region, ...) are read. Names of images are made relative to the output.

    Args:
        table: .csv, .tsv, .jsonl or .parquet; of `zsderm pretrain pages`, `extract`, or any other.
        output: the folder of the questions.
        image_column: the column that names the images; empty: a usual name.

    Raises:
        PretrainingDataError: the table cannot be read, or has no captions.
    """
    pairs, without = [], 0
    columns: list[str] = []
    for cells, place in read_rows(Source(str(table), image_column=image_column), Path()):
        columns = columns or list(cells)
        caption = next((text for column in CAPTION_COLUMNS if (text := text_of(cells.get(column)))), "")
        if caption and place.filename:
            pairs.append(_pair(cells, place, caption, output))
        else:
            without += 1
    if not pairs:
        raise PretrainingDataError(
            f"expected rows with an image and a caption in {table}, but there are none. "
            f"Its columns are: {', '.join(columns)}. Name the column of captions 'caption'."
        )
    return pairs, without


def _pair(cells: Mapping[str, Any], place: Place, caption: str, output: Path) -> Pair:
    def cell(*names: str) -> str:
        column = known_column(cells, names)
        return text_of(cells.get(column)) if column else ""

    image = place.filename
    if not Path(image).is_absolute():
        image = Path(os.path.relpath(os.path.realpath(place.image), os.path.realpath(output))).as_posix()
    disease = cell(*_DISEASES)
    return Pair(
        row=place.row,
        image=image,
        caption=caption,
        modality=modality_of(cell("modality")),
        disease="" if disease == NO_DISEASE else disease,
        site=cell(*_SITES),
        more={name: text for name in MORE if (text := cell(name))},
    )
