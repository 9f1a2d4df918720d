from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

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
