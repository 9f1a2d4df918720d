"""Every layout of the made books: pictures and captions come together, and no caption is glued from two."""

from __future__ import annotations

import csv
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from zsderm.benchmarks.experiments.made_books import Book, Supply
from zsderm.benchmarks.experiments.made_layouts import LAYOUTS, draw
from zsderm.benchmarks.experiments.pages import Result, judge, make_book
from zsderm.pretrain.pages.collection import collect, find_documents
from zsderm.pretrain.pages.modality import ModalityReader
from zsderm.pretrain.pages.records import WITHOUT_OCR
from zsderm.pretrain.pages.scan import tesseract

SEED = 2001


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
    result = taken_apart(tiny_encoder, tmp_path, SEED, [name])
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


@pytest.mark.slow
@pytest.mark.skipif(tesseract() is None, reason="Tesseract is not installed")
def test_a_scan_without_text_is_read_by_tesseract(tiny_encoder: Any, tmp_path: Path) -> None:
    book = Book(str(tmp_path / "scan.pdf"), Supply(4))
    book.hidden_text = False
    draw(book, "scanned page with text behind")
    book.save()
    documents, broken = find_documents(tmp_path / "scan.pdf")
    found = collect(documents, broken, tmp_path / "out", ModalityReader(tiny_encoder))
    assert len(found.pairs) == len(book.truth) == 2
    for row, truth in zip(found.pairs, book.truth, strict=True):  # a letter or two may be misread
        assert SequenceMatcher(None, row["caption"], truth.caption, autojunk=False).ratio() > 0.95


@pytest.mark.slow
def test_a_scan_that_nobody_can_read_is_left_out_with_a_reason(
    tiny_encoder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no Tesseract
    book = Book(str(tmp_path / "scan.pdf"), Supply(4))
    book.hidden_text = False
    draw(book, "scanned page with text behind")
    book.save()
    documents, broken = find_documents(tmp_path / "scan.pdf")
    found = collect(documents, broken, tmp_path / "out", ModalityReader(tiny_encoder))
    assert not found.pairs and [row["reason"] for row in found.dropped] == [WITHOUT_OCR]
