"""A table says the same in every writing, or is refused in a sentence; it is never read as something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.reliability.odd_tables import CLASSES, Tables, truth, written_alike, written_badly
from zsderm.cli import main

pytestmark = pytest.mark.filterwarnings("default")


def evaluated(tables: Tables, classes: Path) -> Result:
    arguments = ["--predictions", str(tables.predictions), "--labels", str(tables.labels), "--classes", str(classes)]
    return CliRunner().invoke(main, ["evaluate", *arguments, "--cluster", "patient_id", "--json"])


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(CLASSES), encoding="utf-8")
    return path


@pytest.fixture
def figures(tmp_path: Path, classes: Path) -> dict[str, object]:
    predictions, labels = truth()
    predictions.to_csv(tmp_path / "p.csv", index=False)
    labels.to_csv(tmp_path / "l.csv", index=False)
    result = evaluated(Tables(tmp_path / "p.csv", tmp_path / "l.csv", "plain"), classes)
    assert result.exit_code == 0, result.output
    right = sum(a == b for a, b in zip(predictions["label"], labels["true_label"], strict=True)) / len(labels)
    found = json.loads(result.stdout)
    assert found["accuracy"] == pytest.approx(right)
    return found


@pytest.mark.slow
def test_another_writing_gives_the_same_figures(tmp_path: Path, classes: Path, figures: dict[str, object]) -> None:
    for seed in range(60):
        tables = written_alike(seed, tmp_path)
        result = evaluated(tables, classes)
        assert result.exit_code == 0, (tables.how, result.output)
        assert json.loads(result.stdout) == pytest.approx(figures), tables.how


@pytest.mark.slow
def test_a_damaged_table_is_refused_in_a_sentence_or_read(tmp_path: Path, classes: Path) -> None:
    read = 0
    for seed in range(100, 160):
        tables = written_badly(seed, tmp_path)
        result = evaluated(tables, classes)
        assert result.exception is None or isinstance(result.exception, SystemExit), (tables.how, result.exception)
        if result.exit_code:
            assert result.stderr.strip().isprintable() or "\n" in result.stderr.strip(), tables.how
        read += result.exit_code == 0
    assert 0 < read < 50
