"""CSV of any program: separators, and quotes that are not closed."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from zsderm.errors import FallbackWarning, InputError
from zsderm.table_files import read_cells


def _read(tmp_path: Path, text: str) -> dict[str, list[str]]:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    return read_cells(tmp_path / "t.csv").to_dict("list")


def test_cells_may_be_separated_by_bars(tmp_path: Path) -> None:
    assert _read(tmp_path, "image|label\na.jpg|nevus, blue\n") == {"image": ["a.jpg"], "label": ["nevus, blue"]}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ('"a.jpg,nevus\nb.jpg,nevus\n"c.jpg,nevus\n', "lines 2 to 4 into one cell"),
        ('a.jpg,"nevus\nb.jpg,nevus\nc.jpg,"nevus\n', "lines 2 to 4 into one cell"),
        ('z.jpg,x\n"a.jpg,nevus\nb.jpg,nevus"\n', "lines 3 to 4 into one row of 1 cells, the header has 2"),
    ],
)
def test_two_quotes_that_are_not_closed_swallow_no_rows(tmp_path: Path, rows: str, words: str) -> None:
    with pytest.raises(InputError, match=f"{words}; close the quote"):
        _read(tmp_path, f"image,label\n{rows}")


@pytest.mark.parametrize("rows", ['"a.jpg,nevus\nb.jpg",nevus\n', 'a.jpg,"nevus\nb.jpg,nevus"\n'])
def test_a_cell_that_may_be_two_rows_is_said(tmp_path: Path, rows: str) -> None:
    with pytest.warns(FallbackWarning, match="lines 2 to 3 are one row, because a cell in quotes goes on"):
        assert len(_read(tmp_path, f"image,label\n{rows}")["image"]) == 1


@pytest.mark.parametrize(
    "caption", ["Two lines\nof text", 'He said ""stop"",\nand left', "a\n\nb, c, d\ne", '5"" wide\n']
)
def test_texts_of_several_lines_are_cells(tmp_path: Path, caption: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _read(tmp_path, f'image,site,caption\na.jpg,back,"{caption}"\nb.jpg,5" up,x\n')
    assert found["caption"] == [caption.replace('""', '"'), "x"] and found["site"][1] == '5" up'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.jsonl", '[{"image": "a.jpg"}]\n'),
        ("t.jsonl", '[\n  {"image": "a.jpg"}\n]\n'),
        ("t.json", '[{"image": "a.jpg"}]'),
    ],
)
def test_an_array_of_json_says_how_it_becomes_lines(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=r"one JSON value; write one object a line into a \.jsonl file: jq"):
        read_cells(tmp_path / name)
