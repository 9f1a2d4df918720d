"""The command as users run it; with a small encoder where the comparison needs one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from zsderm.cli.audit import audit


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(4):
        picture = Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).resize((64, 64))
        picture.save(tmp_path / f"{index}.png")
    (tmp_path / "4.png").write_bytes((tmp_path / "0.png").read_bytes())
    rows = ["0.png,train,p0", "1.png,train,p1", "2.png,dev,p1", "3.png,dev,p3", "4.png,dev,p4"]
    (tmp_path / "index.csv").write_text("\n".join(["filename,split,patient_id", *rows]) + "\n", encoding="utf-8")
    return tmp_path / "index.csv"


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(audit, ["--model", "none", *map(str, arguments)])


def _splits(table: Path) -> list[str]:
    return ["--train", f"{table}:split=train", "--test", f"{table}:split=dev"]


def test_the_summary_goes_to_stdout_and_ends_well(table: Path) -> None:
    result = _run(*_splits(table))
    assert result.exit_code == 0 and "| across | 1 | 0 |" in result.stdout


def test_fail_on_leak_ends_with_1(table: Path) -> None:
    result = _run(*_splits(table), "--fail-on-leak")
    assert result.exit_code == 1 and "share something" in result.stderr
    clean = _run("--train", table.parent / "1.png", "--test", table.parent / "2.png", "--fail-on-leak")
    assert clean.exit_code == 0


def test_a_shared_patient_is_a_leak(table: Path) -> None:
    result = _run(*_splits(table), "--group-column", "patient_id", "--json")
    content = json.loads(result.stdout)
    assert content["overlaps"]["patient_id"] == {"train": 2, "test": 3, "shared": 1, "test_images": 1}
    assert content["leaks"] is True


def test_pairs_are_written_as_a_table_and_a_page(table: Path, tmp_path: Path) -> None:
    result = _run(*_splits(table), "--output", tmp_path / "pairs.csv", "--sheet", tmp_path / "sheet.html")
    assert result.exit_code == 0 and result.stderr.count("Written:") == 2
    with (tmp_path / "pairs.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["where"], row["kind"], Path(row["other"]).name) == ("across", "exact", "4.png")
    assert (tmp_path / "sheet.html").read_text(encoding="utf-8").count("<img ") == 2


def test_one_folder_alone_is_searched_for_repeats(table: Path) -> None:
    result = _run("--train", table.parent, "--fail-on-leak")
    assert result.exit_code == 0 and "| within train | 1 | 0 |" in result.stdout and "across" not in result.stdout


def test_embeddings_are_compared_with_an_encoder(
    tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, table: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr("zsderm.load_encoder", lambda name, device=None: tiny_encoder)
    arguments = [*_splits(table), "--cache-dir", str(tmp_path / "cache"), "--cosine", "0.5"]
    result = CliRunner().invoke(audit, arguments)
    assert result.exit_code == 0 and "near neighbours by embedding" in result.stdout and "tiny" in result.stdout
