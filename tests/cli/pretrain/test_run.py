from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from zsderm.cli import main

MINI = str(Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml")


def test_an_unknown_setting_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    arguments = ["pretrain", "--config", MINI, "--data-root", str(tmp_path), "--output", str(tmp_path / "run")]
    result = CliRunner().invoke(main, [*arguments, "--set", "epoch=1"])
    assert result.exit_code == 1
    assert "Unknown setting 'epoch'" in result.stderr and "Did you mean 'epochs'?" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_data_folder_without_the_tables_says_which_is_missing(tmp_path: Path) -> None:
    arguments = ["pretrain", "--config", MINI, "--data-root", str(tmp_path), "--output", str(tmp_path / "run")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "There is no table" in result.stderr and "pad/index.csv" in result.stderr.replace("\\", "/")


def test_without_a_data_folder_it_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZSDERM_DATA", raising=False)
    result = CliRunner().invoke(main, ["pretrain", "--config", MINI])
    assert result.exit_code == 2
    assert "--data-root" in result.stderr
