from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from zsderm.benchmarks.pages import filled, part_names, publish, splice

PAGE = "<!-- tables -->x<!-- end of tables -->, up to <!-- learned -->0<!-- end of learned --> points"


def test_parts_with_marks_are_replaced_and_the_prose_stays() -> None:
    assert part_names(PAGE) == ["tables", "learned"]
    assert filled(PAGE, {"tables": "y", "learned": "7.5", "headline": "unused"}) == (
        "<!-- tables -->y<!-- end of tables -->, up to <!-- learned -->7.5<!-- end of learned --> points"
    )


def test_parts_of_one_kind_share_the_mark_at_their_end() -> None:
    page = "<!-- results: a -->1<!-- end of results --><!-- results: b -->2<!-- end of results --><!-- c -->"
    assert part_names(page) == ["results: a", "results: b"]
    assert filled(page, {"results: b": "3"}) == page.replace("2", "3")


def test_a_page_on_disk_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    splice(page, {"tables": "y"}, required="tables")
    assert page.read_text() == PAGE.replace(">x<", ">y<") and list(tmp_path.iterdir()) == [page]


def test_a_page_without_the_marks_it_must_have_is_refused_and_kept(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no marks")
    with pytest.raises(click.ClickException, match="Expected a page with the lines <!-- tables -->"):
        splice(page, {"tables": "y"}, required="tables")
    assert page.read_text() == "no marks"


def test_an_experiment_prints_its_tables_keeps_its_figures_and_fills_its_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text(PAGE)
    publish({"tables": "y", "learned": "7", "no marks": "z"}, {"found": [1]}, figures, page)
    assert capsys.readouterr().out == "y\n\n7\n\nz\n" and json.loads(figures.read_text()) == {"found": [1]}
    assert page.read_text() == PAGE.replace(">x<", ">\n\ny\n\n<").replace(">0<", ">\n\n7\n\n<")
    with pytest.raises(click.ClickException, match="<!-- no marks -->"):
        publish({"no marks": "z"}, {}, None, page)
