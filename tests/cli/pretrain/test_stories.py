from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zsderm.cli import main
from zsderm.narratives.table import read_narratives

TABLE = (
    "filename,label,patient_id,lesion_id,itch,bleed,age\na/1.jpg,nevus,P1,1,True,UNK,40\n2.jpg,wart,P2,1,False,True,9\n"
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["pretrain", "stories", *arguments])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "answers.csv").write_text(TABLE)
    return tmp_path / "answers.csv"


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_stories_are_written_and_read_back(table: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"stories{suffix}"
    result = run(str(table), "--output", str(output))
    assert (result.exit_code, result.stdout) == (0, f"{output}\n")
    assert "2 stories, " in result.stderr
    if suffix == ".tsv":
        assert output.read_text("utf-8").startswith("image\tcase\tnarrative\t")
    told = read_narratives(output).of_images(["/photos/2.jpg", "/photos/a/1.jpg", "3.jpg"])
    assert all(told[:2]) and not told[2]
    assert read_narratives(output, case_column="case").of_cases(["P1 1", "P2 1"]) == told[1::-1]


def test_the_same_seed_writes_the_same_file(table: Path, tmp_path: Path) -> None:
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        assert run(str(table), "-o", str(tmp_path / f"{name}.jsonl"), "--seed", seed).exit_code == 0
    one, same, other = ((tmp_path / f"{name}.jsonl").read_bytes() for name in "abc")
    assert one == same != other
    rows = [json.loads(line) for line in one.decode().splitlines()]
    assert [row["label"] for row in rows] == ["nevus", "wart"]
    assert rows[0]["source"] == "patient" and "nevus" not in rows[0]["narrative"]


def test_a_table_without_answers_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,label\n1.jpg,nevus\n")
    result = run(str(tmp_path / "labels.csv"), "-o", str(tmp_path / "x.jsonl"))
    assert result.exit_code == 1 and result.stderr.startswith("Error: expected answers of patients in")
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "expected rows in"),
        ("1.jpg,True,34\n,False,34\n", "to name an image, but row 2 does not"),
        ("1.jpg,True,34\n1.jpg,False,34\n", "expected one row for each image"),
        ("1.jpg,True,12.5.2020\n", "expected age to be a number of years, but got '12.5.2020'"),
        (f"1.jpg,True,{'9' * 5000}\n", "expected age to be a number of years"),
    ],
    ids=["no rows", "no name", "a name twice", "a date", "thousands of digits"],
)
def test_rows_that_are_no_stories_are_refused(tmp_path: Path, rows: str, said: str) -> None:
    (tmp_path / "answers.csv").write_text(f"image,itch,age\n{rows}")
    result = run(str(tmp_path / "answers.csv"), "-o", str(tmp_path / "x.jsonl"))
    assert result.exit_code == 1 and said in " ".join(result.stderr.split())
    assert not (tmp_path / "x.jsonl").exists()


def test_answers_of_a_column_with_gaps_are_understood(tmp_path: Path) -> None:
    for name, cells in {"a": "True,False,34", "b": "1.0,0.0,34.0"}.items():
        (tmp_path / f"{name}.csv").write_text(f"image,itch,grew,age\n1.jpg,{cells}\n")
        assert run(str(tmp_path / f"{name}.csv"), "-o", str(tmp_path / f"{name}.jsonl")).exit_code == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_wrong_usage_ends_with_two(table: Path, tmp_path: Path) -> None:
    assert run(str(table), "-o", str(tmp_path / "x.txt")).exit_code == 2
    assert run(str(tmp_path / "none.csv"), "-o", str(tmp_path / "x.jsonl")).exit_code == 2
