"""The experiment that draws questions for reading, on a small table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsderm.benchmarks.experiments.questions import main

LABELS = ("melanoma", "basal cell carcinoma", "seborrheic keratosis")


@pytest.mark.slow
def test_questions_are_drawn_and_what_was_read_is_counted(tmp_path: Path) -> None:
    for name, site in (("pad", "region"), ("ham10000", "localization")):
        (tmp_path / name).mkdir()
        rows = [f"images/{n}.jpg,{LABELS[n % 3]},{'BACK' if n % 2 else 'NOSE'}\n" for n in range(12)]
        (tmp_path / name / "index.csv").write_text(f"filename,label,{site}\n" + "".join(rows))
    drawn = tmp_path / "drawn.csv"
    words = ["--data-root", str(tmp_path), "--seed", "3", "--output", str(drawn)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["yes_share"] == 0.5
    with drawn.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 300
    read = tmp_path / "read.csv"
    with read.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(
            {**row, "picture": "yes", "says": "yes", "flaw": "odd" if row["id"] == "1" else ""} for row in rows
        )
    counts = tmp_path / "counts.json"
    assert CliRunner().invoke(main, [*words[:-1], str(counts), "--read", str(read)]).exit_code == 0
    found = json.loads(counts.read_text())
    assert sum(kind["questions"] for kind in found.values()) == 300
    assert sum(kind["flawed"] for kind in found.values()) == 1
