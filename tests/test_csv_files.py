"""A table has the rows that were written, whoever reads it, and its texts come back as they were."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zsderm.csv_files import CsvRows, csv_file, header_mark, into_cell, out_of_cell, write_frame
from zsderm.table_files import read_cells, write_csv, write_json_lines, write_parquet

TEXTS = [
    *("=1+1", "+cmd|' /C calc'!A0", "-x.jpg", "@SUM(A1)", "\tx", "\r=x", "＝1+1", "'=1+1", "''-x", "-", "+"),
    *("a\rb", "a\nb", "a\r\nb", "a\tb", 'q"u,o', " blank ", "it's", "'quoted'", "a;b", "a\u2028b", "a\x85b", "名前"),
    *("\x1b[31mred", "a\x00b", "a\x1ab", "a\x7fb", "-0.5", "+1", "1e5", "-.5", "007", "NA", "", "a=b", "a-b"),
]
FORMULA = re.compile("[=+@\t\r＝＋－＠-]")


def _stripped(cells: Iterable[str]) -> list[str]:
    """Cells without the blanks around them, which mean nothing to the reader of tables."""
    return [cell.strip(" ") for cell in cells]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_comes_back_and_no_spreadsheet_computes_it(text: str) -> None:
    cell = into_cell(text)
    assert out_of_cell(cell) == text
    assert not FORMULA.match(cell) or re.fullmatch(r"[+-]?[\d.]+", cell)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", cell)


def test_numbers_stay_numbers() -> None:
    for text in ("-0.5", "+1", "-1e-5", "0.25", "-.5"):
        assert into_cell(text) == text


@pytest.mark.parametrize("with_returns", [True, False])
def test_every_reader_finds_every_row(tmp_path: Path, with_returns: bool) -> None:
    texts = [text for text in TEXTS if with_returns or "\r" not in text]
    numbers = np.linspace(-1, 1, len(texts), dtype=np.float32)
    frame = pd.DataFrame({"image": texts, "=score": numbers, "note": texts[::-1]})
    path = tmp_path / "table.csv"
    write_csv(frame, path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [out_of_cell(row[0]) for row in rows[1:]] == texts
    read = pd.read_csv(path, keep_default_na=False)
    assert len(read) == len(texts) and np.allclose(read["'=score"], numbers)
    cells = read_cells(path)
    assert list(cells.columns) == ["image", "=score", "note"]
    assert _stripped(cells["image"]) == _stripped(texts) == _stripped(cells["note"])[::-1]
    assert b"\r\n" not in path.read_bytes().replace(b'a\r\nb"', b"")


def test_rows_are_written_as_tables_are(tmp_path: Path) -> None:
    with csv_file(tmp_path / "rows.csv", ("image", "note")) as file:
        file.write_all([text, 1] for text in TEXTS)
        file.write({"note": "=x", "other": "left out"})
    cells = read_cells(tmp_path / "rows.csv")
    assert _stripped(cells["image"]) == _stripped([*TEXTS, ""]) and cells["note"].iloc[-1] == "=x"
    table = StringIO()
    write_frame(pd.DataFrame({"image": ["a\rb", "=x"]}), table)
    rows = StringIO()
    CsvRows(rows, ["image"]).write_all([["a\rb"], ["=x"]])
    for text in (table.getvalue(), rows.getvalue()):
        assert [out_of_cell(row[0]) for row in csv.reader(StringIO(text, newline=""))] == ["image", "a\rb", "=x"]


def test_other_formats_keep_texts_as_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame({"image": TEXTS})
    write_json_lines(frame, tmp_path / "table.jsonl")
    assert len((tmp_path / "table.jsonl").read_text(encoding="utf-8").splitlines()) == len(TEXTS)
    assert list(pd.read_json(tmp_path / "table.jsonl", lines=True, dtype=False)["image"]) == TEXTS
    write_parquet(frame, tmp_path / "table.parquet")
    assert list(pd.read_parquet(tmp_path / "table.parquet")["image"]) == TEXTS
    for suffix in (".jsonl", ".parquet"):
        assert list(read_cells(tmp_path / f"table{suffix}")["image"]) == TEXTS


@pytest.mark.parametrize(
    ("start", "ours"),
    [(b"image,error\n", True), (b"\xef\xbb\xbfimage,error\r\n", True), (b'"image","error"\n', True)]
    + [(text, False) for text in (b"image,error,more\n", b"my_image,error\n", b"error,image\n", b"\nimage,error\n")],
)
def test_a_table_of_ours_is_known_by_its_header(start: bytes, ours: bool) -> None:
    assert bool(header_mark(("image", "error")).search(start)) is ours
