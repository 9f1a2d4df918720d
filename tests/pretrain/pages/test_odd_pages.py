"""Pages that no layout of the made books has: captions in other places, large scans, pictures of nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from zsderm.errors import MissingDependencyError
from zsderm.pretrain.pages import scan
from zsderm.pretrain.pages.collection import Collected, collect, find_documents
from zsderm.pretrain.pages.modality import ModalityReader
from zsderm.pretrain.pages.pairing import BY_NUMBER

SIZE = (612, 792)
WORDS = "Violaceous papules on the wrist."


class Sheet:
    """A PDF file whose places are counted from the top."""

    def __init__(self, path: Path) -> None:
        self.canvas, self.path, self._seed = Canvas(str(path), pagesize=SIZE), path, 0

    def picture(self, top: float, image: Image.Image | None = None) -> None:
        self._seed += 1
        coarse = np.random.default_rng(self._seed).integers(60, 220, (12, 16, 3), np.uint8)
        image = image or Image.fromarray(coarse).resize((400, 300), Image.Resampling.BICUBIC)
        self.canvas.drawImage(ImageReader(image), 60, SIZE[1] - top - 150, 200, 150)

    def line(self, text: str, top: float, left: float = 60) -> None:
        self.canvas.setFont("Helvetica", 9)
        self.canvas.drawString(left, SIZE[1] - top, text)

    def taken_apart(self, encoder: Any) -> Collected:
        self.canvas.save()
        documents, broken = find_documents(self.path)
        return collect(documents, broken, self.path.with_suffix(""), ModalityReader(encoder))


@pytest.fixture
def sheet(tmp_path: Path) -> Sheet:
    return Sheet(tmp_path / "book.pdf")


def test_a_caption_may_hang_from_its_label(sheet: Sheet, tiny_encoder: Any) -> None:
    sheet.picture(60)
    sheet.line("Fig. 4.5", 222)
    sheet.line("Violaceous papules", 222, 108)
    sheet.line("on the wrist.", 233, 108)
    (row,) = sheet.taken_apart(tiny_encoder).pairs
    assert (row["figure"], row["caption"]) == ("4.5", WORDS)


def test_a_figure_that_goes_on_has_no_word_of_that_in_its_caption(sheet: Sheet, tiny_encoder: Any) -> None:
    sheet.picture(60)
    sheet.line(f"Figure 2 (continued). {WORDS}", 222)
    (row,) = sheet.taken_apart(tiny_encoder).pairs
    assert (row["figure"], row["caption"]) == ("2", WORDS)


def test_legends_in_a_list_find_the_pictures_at_which_their_number_stands(sheet: Sheet, tiny_encoder: Any) -> None:
    for number in (1, 2):
        sheet.line(f"Figure {number}. {WORDS} Number {number}.", 60 + 40 * number)
    sheet.canvas.showPage()
    for number in (1, 2):
        sheet.line("The text goes on between the legends and the figures of this article.", 60)
        sheet.canvas.showPage()
        sheet.line(f"Figure {number}", 50)
        sheet.picture(60)
        sheet.canvas.showPage()
    found = sheet.taken_apart(tiny_encoder)
    assert [(row["page"], row["figure"], row["caption"], row["side"]) for row in found.pairs] == [
        (number + 2 + (number - 1), str(number), f"{WORDS} Number {number}.", BY_NUMBER) for number in (1, 2)
    ]
    assert not found.dropped


def test_a_picture_of_one_colour_is_left_out(sheet: Sheet, tiny_encoder: Any) -> None:
    sheet.picture(60, Image.new("RGB", (400, 300), "black"))
    sheet.line(f"Figure 1. {WORDS}", 222)
    found = sheet.taken_apart(tiny_encoder)
    assert not found.pairs and [row["reason"] for row in found.dropped] == ["of one colour"]


@pytest.mark.slow
@pytest.mark.skipif(scan.tesseract() is None, reason="Tesseract is not installed")
def test_a_scan_whose_pixels_were_taken_for_points_is_read_in_its_places(tmp_path: Path, tiny_encoder: Any) -> None:
    print_ = Sheet(tmp_path / "print.pdf")
    print_.picture(60)
    print_.line(f"Figure 1. {WORDS}", 222)
    print_.canvas.save()
    with pypdfium2.PdfDocument(print_.path) as document:
        page = document[0].render(2).to_pil().convert("RGB")
    canvas = Canvas(str(tmp_path / "scan.pdf"), pagesize=page.size)  # a point for each pixel
    canvas.drawImage(ImageReader(page), 0, 0, *page.size)
    canvas.save()
    documents, broken = find_documents(tmp_path / "scan.pdf")
    (row,) = collect(documents, broken, tmp_path / "out", ModalityReader(tiny_encoder)).pairs
    assert row["caption"] == WORDS
    box = [float(edge) / 2 for edge in row["box"].split()]
    assert box == pytest.approx([60, 60, 260, 210], abs=3)


@pytest.mark.parametrize(
    ("does", "error"),
    [
        ("echo 'Image too large' >&2; exit 1", ValueError),
        ("echo \"Failed loading language 'xyz'\" >&2; exit 1", MissingDependencyError),
        ("sleep 5", ValueError),
    ],
)
def test_one_page_that_tesseract_cannot_read_ends_no_run(
    does: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "tesseract"
    command.write_text(f"#!/bin/sh\n{does}\n")
    command.chmod(0o755)
    monkeypatch.setattr(scan, "tesseract", lambda: str(command))
    monkeypatch.setattr(scan, "TIME_LIMIT", 0.2)
    with pytest.raises(error):
        scan.read_scan(Image.new("RGB", (100, 100), "white"), 1.0, "eng")
