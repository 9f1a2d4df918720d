"""``zsderm pretrain validate | pack`` at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from zsderm.cli import main

MINI = str(Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml")


def run(*arguments: object) -> Result:
    return CliRunner(env={"ZSDERM_DATA": None}).invoke(main, ["pretrain", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    (tmp_path / "good.csv").write_text("filename,caption\na.png,a red plaque\n")
    (tmp_path / "bad.csv").write_text(f"filename,caption\na.png,{'red ' * 80}\nnone.png,red\n")
    return tmp_path


def test_a_sound_table_ends_with_0_and_an_empty_report(folder: Path) -> None:
    result = run("validate", folder / "good.csv")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "table,row,filename,kind,reason\n"
    assert "1 row, 0 problems" in result.stderr and "not checked: they need --config" in result.stderr


def test_problems_end_with_1_and_stand_in_the_report(folder: Path) -> None:
    result = run("validate", "bad.csv", "--data-root", folder, "--config", MINI, "--output", folder / "report.csv")
    assert result.exit_code == 1
    assert result.stdout.strip() == str(folder / "report.csv")
    report = (folder / "report.csv").read_text()
    assert "2,a.png,text too long," in report and "3,none.png,missing image,no such file" in report
    assert "2 rows, 2 problems" in result.stderr


def test_without_tables_or_configuration_it_is_wrong_usage() -> None:
    result = run("validate")
    assert result.exit_code == 2 and "expected TABLES, or --config" in result.stderr


def test_a_missing_table_is_one_sentence(folder: Path) -> None:
    result = run("validate", folder / "none.csv")
    assert result.exit_code == 1 and "There is no table" in result.stderr


def test_a_table_becomes_shards_that_can_be_checked(folder: Path) -> None:
    packed = run("pack", folder / "bad.csv", "--output", folder / "shards")
    assert packed.exit_code == 0, packed.stderr
    assert "left out: none.png: no such file" in packed.stderr
    result = run("validate", packed.stdout.strip())
    assert result.exit_code == 0 and "1 row, 0 problems" in result.stderr
