"""``zsderm pretrain pages`` at the command line: tables, the sheet, corrections, and a run that is killed."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zsderm.benchmarks.experiments.pages import make_book
from zsderm.cli import main

NAMES = ["one column, caption below", "two figures side by side", "parts (a) to (f), one caption"]
CODE = "from zsderm.cli import main; main()"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["pretrain", *map(str, arguments)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    make_book(folder / "book.pdf", 7, (), NAMES)
    result = run("pages", folder / "book.pdf", "--output", folder / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(folder / "out" / "pairs.csv")
    return folder


@pytest.mark.slow
def test_the_pairs_are_a_table_that_validate_takes(made: Path) -> None:
    result = run("validate", made / "out" / "pairs.csv")
    assert result.exit_code == 0, result.output
    rows = rows_of(made / "out" / "pairs.csv")
    assert len(rows) >= 8 and all((made / "out" / row["filename"]).is_file() for row in rows)
    assert {row["modality"] for row in rows} <= {"clinical", "dermoscopic", "pathological"}
    manifest = json.loads((made / "out" / "pairs.csv.manifest.json").read_text())
    assert manifest["pairs"] == len(rows) and manifest["documents"][0]["source"] == "book.pdf"


@pytest.mark.slow
def test_the_sheet_shows_each_pair_and_lets_nothing_else_run(made: Path) -> None:
    page = (made / "out" / "contact_sheet.html").read_text(encoding="utf-8")
    assert page.count('class="card"') == len(rows_of(made / "out" / "pairs.csv"))
    assert "default-src 'none'" in unescape(page) and "://" not in page


@pytest.mark.slow
def test_corrections_are_read_back(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "out", tmp_path / "out")
    first, second, *rest = [row["filename"] for row in rows_of(made / "out" / "pairs.csv")]
    said = tmp_path / "corrections.csv"
    said.write_text(
        f'filename,caption,modality,keep\n{first},"Put right, by hand",pathological,yes\n{second},,,no\n',
        encoding="utf-8",
    )
    result = run("pages", made / "book.pdf", "--output", tmp_path / "out", "--corrections", said)
    assert result.exit_code == 0, result.stderr
    rows = {row["filename"]: row for row in rows_of(tmp_path / "out" / "pairs.csv")}
    assert list(rows) == [first, *rest]
    assert (rows[first]["caption"], rows[first]["modality"]) == ("Put right, by hand", "pathological")
    assert "corrected by hand" in rows[first]["flags"]
    (struck,) = [row for row in rows_of(tmp_path / "out" / "dropped.csv") if row["filename"] == second]
    assert struck["reason"] == "struck out by hand"

    later = tmp_path / "later.csv"
    later.write_text(f"filename,caption,modality,keep\n{rest[0]},,,no\n", encoding="utf-8")
    result = run("pages", made / "book.pdf", "--output", tmp_path / "out", "--corrections", later)
    assert "undone for 2 pictures" in result.stderr and first in {
        row["filename"] for row in rows_of(tmp_path / "out" / "pairs.csv")
    }
    both = ("--corrections", said, "--corrections", later)
    result = run("pages", made / "book.pdf", "--output", tmp_path / "out", *both)
    assert "undone" not in result.stderr
    assert [row["filename"] for row in rows_of(tmp_path / "out" / "pairs.csv")] == [first, *rest[1:]]

    said.write_text("filename,caption,modality,keep\nother.jpg,,,no\n", encoding="utf-8")
    result = run("pages", made / "book.pdf", "--output", tmp_path / "out", "--corrections", said)
    assert result.exit_code == 1 and "Expected corrections of pictures in these documents" in result.stderr


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_at_its_page(tmp_path: Path) -> None:
    make_book(tmp_path / "book.pdf", 8, (), NAMES * 4)
    arguments = ["pretrain", "pages", str(tmp_path / "book.pdf"), "--output"]
    command = [sys.executable, "-c", CODE, *arguments]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    killed = subprocess.Popen([*command, str(tmp_path / "out")], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while len(list((tmp_path / "out").glob("pages/*/0*.json"))) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("pages/*/0*.json")}
    assert 3 <= len(done) < 12 and not (tmp_path / "out" / "pairs.csv").exists()
    assert run("pages", tmp_path / "book.pdf", "--output", tmp_path / "out").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in done} == done  # not read again
    for name in ("pairs.csv", "dropped.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_is_no_pdf_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_text("not a PDF")
    (tmp_path / "empty").mkdir()
    result = run("pages", tmp_path / "a.pdf", "--output", tmp_path / "out")
    assert result.exit_code == 1 and "not a PDF file, or it is damaged" in result.stderr
    result = run("pages", tmp_path / "empty", "--output", tmp_path / "out")
    assert result.exit_code == 1 and "Expected PDF files in" in result.stderr
    assert not (tmp_path / "out").exists()
