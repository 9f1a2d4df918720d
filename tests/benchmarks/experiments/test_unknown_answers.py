from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from zsderm.benchmarks.experiments.unknown_answers import answered, fitted, markdown, not_known
from zsderm.image_table import ImageTable

DOCS = Path(__file__).resolve().parents[3] / "docs"
LABELS = ("melanoma", "nevus")


@pytest.fixture
def table(tmp_path: Path) -> ImageTable:
    """Sixty rows of thirty patients, two diagnoses; of a melanoma it is never known whether it grew."""
    names = "filename,label,split,patient_id,lesion_id,age,region,itch,grew,hurt,changed,bleed,elevation"
    rows = [
        f"{row}.png,{LABELS[row // 2 % 2]},train,P{row // 2},L{row},{20 + row},ARM,True,"
        f"{('UNK', 'True')[row // 2 % 2]},False,False,,True"
        for row in range(60)
    ]
    (tmp_path / "index.csv").write_text("\n".join([names, *rows]), encoding="utf-8")
    return ImageTable.read(tmp_path / "index.csv")


def test_an_answer_is_not_known_where_its_cell_says_so_or_is_empty(table: ImageTable) -> None:
    flags = not_known(table)
    assert flags.shape == (60, 6)
    assert flags[0].tolist() == [0, 1, 0, 0, 1, 0] and flags[2].tolist() == [0, 0, 0, 0, 1, 0]


def test_what_is_not_known_tells_the_diagnosis_where_it_depends_on_it(table: ImageTable) -> None:
    true = np.arange(60) // 2 % 2
    rows = fitted([not_known(table)], true, table.column("patient_id"), 2)
    assert rows.shape == (60, 2) and rows.sum(axis=1) == pytest.approx(1) and (rows.argmax(axis=1) == true).all()
    noise = [np.random.default_rng(seed).normal(size=(60, 8)).astype(np.float32) for seed in range(2)]
    assert (fitted(noise, true, table.column("patient_id"), 2).argmax(axis=1) == true).mean() < 0.75


@pytest.mark.slow
def test_stories_are_held_against_those_that_leave_out(table: ImageTable) -> None:
    found = answered(table, LABELS)
    assert list(found["ways"]) == ["alone", "left out", "said"] and found["patients"] == 30
    assert found["ways"]["left out"]["against left out"]["balanced_accuracy"]["value"] == 0
    assert found["ways"]["alone"]["balanced_accuracy"] == 1.0


def test_the_page_of_docs_is_what_the_committed_figures_give() -> None:
    content = json.loads((DOCS / "unknown_answers.json").read_text("utf-8"))
    assert markdown(content) in (DOCS / "chain_of_options.md").read_text("utf-8")
