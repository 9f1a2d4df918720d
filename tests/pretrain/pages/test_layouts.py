"""Every layout of the made books: pictures and captions come together, and no caption is glued from two."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from zsderm.benchmarks.experiments.made_layouts import LAYOUTS
from zsderm.benchmarks.experiments.pages import Result, judge, make_book
from zsderm.pretrain.pages.collection import collect, find_documents
from zsderm.pretrain.pages.modality import ModalityReader

SEEDS = (2001, 2002)


def taken_apart(encoder: Any, folder: Path, seed: int, names: list[str]) -> Result:
    file, output = folder / f"{seed}.pdf", folder / f"{seed}"
    book = make_book(file, seed, (), names)
    documents, broken = find_documents(file)
    collect(documents, broken, output, ModalityReader(encoder))
    tables = []
    for name in ("pairs.csv", "dropped.csv"):
        with (output / name).open(newline="", encoding="utf-8") as table:
            tables.append(list(csv.DictReader(table)))
    return judge(book.truth, *tables)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_each_picture_of_a_layout_has_its_caption_and_no_words_of_another(
    name: str, tiny_encoder: Any, tmp_path: Path
) -> None:
    for seed in SEEDS:
        result = taken_apart(tiny_encoder, tmp_path, seed, [name])
        tally = result.layouts[name]
        assert tally.expected > 0 and tally.glued == 0
        assert tally.right >= 0.97 * tally.expected, result.errors
        assert tally.right >= 0.97 * tally.pairs, result.errors
        assert tally.patients_right == tally.patients


def test_there_are_at_least_twelve_layouts() -> None:
    assert len(LAYOUTS) >= 12


@pytest.mark.slow
def test_ornaments_charts_and_drawings_are_left_out_with_a_reason(tiny_encoder: Any, tmp_path: Path) -> None:
    name = "charts, line art and ornaments"
    result = taken_apart(tiny_encoder, tmp_path, 2003, [name] * 4)
    assert result.layouts[name].right == result.layouts[name].expected == 4
    assert result.dropped["ornament"] == 4
    assert (
        result.dropped["a chart"] + result.dropped["line art"] + result.dropped["drawn with lines, no photograph"] == 8
    )
