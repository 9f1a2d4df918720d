"""Long class lists: which diseases are added, and what the table says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm import KnowledgeBase
from zsderm.benchmarks.experiments import long_lists
from zsderm.benchmarks.experiments.long_lists import Line, main, markdown, never_shown


def test_what_is_added_was_never_shown_and_is_not_in_the_list() -> None:
    base = KnowledgeBase.load("dermatology")
    found = never_shown(base, ["melanoma", "melanocytic nevus"], ["psoriasis", "BCC"])
    assert {"lichen planus", "abscess"} <= set(found)
    assert not {"melanoma", "melanocytic nevus", "psoriasis", "basal cell carcinoma"} & set(found)
    assert len(found) == len(set(found)) > 250


def test_the_table_says_what_changes_on_average_and_at_worst() -> None:
    line = Line("pad", "d22cfa51", 113, 6, 50, 3, 40.0, 70.25, -1.5)
    assert markdown([line]).splitlines()[2] == "| pad (113), encoder d22c | 6 | 50 | 40.0 | 70.2 | +30.2 | -1.5 |"


def test_every_list_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set").mkdir()
    rng = np.random.default_rng(0)
    with (tmp_path / "set" / "index.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["filename", "label", "split"])
        for n in range(6):
            Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(tmp_path / "set" / f"{n}.png")
            rows.writerow([f"{n}.png", ("melanoma", "nevus")[n % 2], "dev"])
    monkeypatch.setattr(long_lists, "ADDED", (0, 3))
    asked = ["--data-root", str(tmp_path), "--dataset", "set", "--also", "psoriasis", "--draws", "2"]
    result = CliRunner().invoke(main, [*asked, "--output", str(tmp_path / "f.json")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "f.json").read_text())["figures"]
    assert [(one["classes"], one["added"], one["draws"]) for one in figures] == [(3, 0, 1), (3, 3, 2)]
    for one in figures:
        assert all(round(6 * one["draws"] * one[prior] / 100, 6) % 1 == 0 for prior in ("auto", "home"))
        assert one["home_worst"] <= one["home"] - one["auto"] + 1e-9


def test_the_page_of_docs_is_what_the_committed_figures_give() -> None:
    docs = Path(__file__).resolve().parents[3] / "docs"
    figures = json.loads((docs / "long_lists.json").read_text("utf-8"))["figures"]
    assert markdown([Line(**one) for one in figures]) in (docs / "unseen_diseases.md").read_text("utf-8")
