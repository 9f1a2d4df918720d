from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.report.browser import FOUND, Browser
from zsderm import SettingsError
from zsderm.report.contact_sheet import ContactSheet, Part, Strip, Tile


def _page(tmp_path: Path, *parts: Part, title: str = "title") -> str:
    ContactSheet("kicker", title, "lead.", parts).write(tmp_path / "new" / "sheet.html")
    return (tmp_path / "new" / "sheet.html").read_text(encoding="utf-8")


def test_the_page_needs_no_other_file(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "1.png")
    page = _page(tmp_path, Part([Strip([Tile(str(tmp_path / "1.png"), "1", 0.5)])], "Found"))
    assert 'src="data:image/jpeg;base64,' in page and "width:50.0%" in page
    assert not re.search(r'(?:src|href)="(?!data:)|url\(|@import|https?:', page)


def test_names_and_queries_are_escaped(tmp_path: Path) -> None:
    page = _page(tmp_path, Part([Strip([Tile("<b>.png")])]), title="<script>alert(1)</script>")
    assert "<script>" not in page and "<b>.png" not in page


def test_a_picture_that_cannot_be_read_keeps_its_place(tmp_path: Path) -> None:
    page = _page(tmp_path, Part([Strip([Tile("gone.png", "1", -0.2)])]))
    assert "no picture" in page and "-0.200" in page and "width:0.0%" in page


def test_strips_are_asked_for_one_at_a_time(tmp_path: Path) -> None:
    asked: list[int] = []

    def strips():
        for number in range(3):
            asked.append(number)
            yield Strip([Tile(f"{number}.png"), Tile("b.png")], f"pair {number}")

    page = _page(tmp_path, Part(strips(), paired=True))
    assert asked == [0, 1, 2] and page.index("pair 0") < page.index("pair 2")


def test_a_failure_leaves_the_old_page_in_place(tmp_path: Path) -> None:
    before = _page(tmp_path, Part([]))

    def broken():
        yield Strip([Tile("a.png")])
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        _page(tmp_path, Part(broken()))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sheet.html"]
    assert (tmp_path / "new" / "sheet.html").read_text(encoding="utf-8") == before


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="cannot write"):
        ContactSheet("k", "t", "l", []).write(tmp_path / "file" / "sheet.html")


@pytest.mark.slow
@pytest.mark.skipif(FOUND is None, reason="needs chromium")
def test_a_print_has_every_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(60):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(tmp_path / f"{number}.png")
    pairs = [Strip([Tile(str(tmp_path / f"{n}.png")), Tile(str(tmp_path / f"{n + 1}.png"))]) for n in range(0, 60, 2)]
    ContactSheet("k", "t", "l", [Part(pairs, paired=True)]).write(tmp_path / "sheet.html")
    with Browser(tmp_path) as browser:
        browser.open(tmp_path / "sheet.html")
        browser.pdf(tmp_path / "sheet.pdf")
    assert (tmp_path / "sheet.pdf").read_bytes().count(b"/Subtype /Image") == 60
