"""Everything that can be wrong with a row, once, and in the report with its row and its reason."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zsderm import CheckpointError, KnowledgeBase, PretrainingDataError
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.pack import pack
from zsderm.pretrain.data.sources import read_rows
from zsderm.pretrain.data.validation import Report, TokenLimit, token_limit, validate

COLUMNS = ["filename", "caption", "ontology_caption", "visual_concept_caption", "subcaption_1", "knowledge_masks"]
LIMIT = TokenLimit(lambda text: len(text.split()), most=6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.jpg", "c.png"):
        Image.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(tmp_path / name)
    (tmp_path / "copy.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "b.jpg").read_bytes()[:300])
    return tmp_path


def write(folder: Path, *rows: tuple[str, ...], name: str = "table.csv", columns: list[str] = COLUMNS) -> None:
    with (folder / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def checked(folder: Path, *names: str) -> Report:
    sources = [Source(name) for name in names or ("table.csv",)]
    return validate(sources, folder, limit=LIMIT, knowledge=KnowledgeBase.load("dermatology"))


def test_a_sound_table_has_no_problems(folder: Path) -> None:
    write(folder, ("a.png", "a red plaque", "", "", "scale", "[1,0,0]"), ("b.jpg", "an ulcer", "", "", "", ""))
    assert checked(folder) == Report(2, ())


@pytest.mark.parametrize(
    ("row", "kind", "reason"),
    [
        (("none.png", "red", "", "", "", ""), "missing image", "no such file"),
        (("", "red", "", "", "", ""), "missing image", "the cell that names the image is empty"),
        (("cut.jpg", "red", "", "", "", ""), "unreadable image", "damaged or cut short"),
        (("table.csv", "red", "", "", "", ""), "unreadable image", "not an image"),
        (("b.jpg", "red", "", "", "", "[1,1,0]"), "contradiction", "knowledge_masks marks an empty text as present"),
        (("b.jpg", "red", "", "", "", "[1]"), "contradiction", "list of 3 values"),
        (("b.jpg", "nan", "", "", "", ""), "no caption", "teaches nothing"),
        (("b.jpg", "red", "", "", "", "[0,0,0]"), "no caption", "teaches nothing"),
        (("b.jpg", "one two three four five six seven", "", "", "", ""), "text too long", "caption has 7 tokens"),
        (("b.jpg", "red", "", "", "1 2 3 4 5 6 7 8", ""), "text too long", "subcaption_1 has 8 tokens"),
        (("copy.png", "red", "", "", "", ""), "duplicate image", "the same file as a.png"),
        (("a.png", "red", "", "", "", ""), "duplicate image", "row 2"),
    ],
)
def test_every_kind_of_problem_is_found_with_its_row_and_reason(
    folder: Path, row: tuple[str, ...], kind: str, reason: str
) -> None:
    write(folder, ("a.png", "a red plaque", "", "", "", ""), row, ("c.png", "an ulcer", "", "", "", ""))
    report = checked(folder)
    (problem,) = report.problems
    assert (report.rows, problem.row, problem.filename, problem.kind) == (3, 3, row[0], kind)
    assert reason in problem.reason
    assert report.counts == {kind: 1}


def test_a_row_may_have_several_problems_and_a_file_may_be_in_two_tables(folder: Path) -> None:
    write(folder, ("a.png", "red", "", "", "", ""))
    write(folder, ("a.png", "red", "", "", "", "[0,1,0]"), name="other.csv")
    report = checked(folder, "table.csv", "other.csv")
    assert [problem.kind for problem in report.problems] == ["contradiction", "duplicate image"]
    assert "table.csv, row 2" in report.problems[1].reason


def test_labelled_tables_are_held_against_the_knowledge_base(folder: Path) -> None:
    write(folder, ("a.png", "melanoma"), ("b.jpg", "melanma"), columns=["filename", "label"])
    (problem,) = checked(folder).problems
    assert (problem.row, problem.kind) == (3, "unknown label") and "melanoma" in problem.reason


def test_shards_are_checked_like_tables(folder: Path) -> None:
    write(folder, ("a.png", "red", "", "", "", ""), ("a.png", "red", "", "", "", "[1,1,1]"))
    (shard,), _ = pack(Source("table.csv"), folder, folder / "shards")
    (span, _) = (place.span for _, place in read_rows(Source(str(shard)), folder))
    content = bytearray(shard.read_bytes())
    assert span is not None
    content[span[0] : span[0] + 40] = bytes(40)  # the first image is damaged where it lies
    shard.write_bytes(content)
    report = validate([Source("shards/*.tar")], folder)
    found = [(p.row, p.filename, p.kind) for p in report.problems]
    assert found == [(1, "000000000.png", "unreadable image"), (2, "000000001.png", "contradiction")]


def test_a_table_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(PretrainingDataError, match="There is no table"):
        checked(folder, "none.csv")


def test_the_report_is_a_csv_table(folder: Path) -> None:
    write(folder, ("none.png", "red, scaly", "", "", "", ""))
    report = checked(folder)
    report.to_csv(folder / "out" / "report.csv")
    written = (folder / "out" / "report.csv").read_text()
    (row,) = csv.DictReader(io.StringIO(written))
    assert list(row) == ["table", "row", "filename", "kind", "reason"]
    assert (row["row"], row["filename"], row["kind"]) == ("2", "none.png", "missing image")


def test_clip_counts_its_two_marks_and_reads_77() -> None:
    limit = token_limit({"text_cfg": {}})
    assert limit.most == 77
    assert limit.count("a red plaque") == 5
    assert limit.count("red " * 76) == 78


def test_minilm_counts_its_two_marks_and_reads_what_the_configuration_says() -> None:
    limit = token_limit(
        {"text_cfg": {"hf_tokenizer_name": "sentence-transformers/all-MiniLM-L6-v2", "context_length": 64}}
    )
    assert limit.most == 64
    assert limit.count("a red plaque") == 5
    assert limit.count("red " * 1000) == 1002


def test_a_tokenizer_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"not to be had.*without --config"):
        token_limit({"text_cfg": {"hf_tokenizer_name": str(tmp_path / "none")}})
