from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.experiments.unseen_diseases import main, markdown


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve noisy pictures of three diseases, half of them for training."""
    root = tmp_path_factory.mktemp("data")
    (root / "set").mkdir()
    rng = np.random.default_rng(0)
    with (root / "set" / "index.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["filename", "label", "split"])
        for n in range(12):
            Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(root / "set" / f"{n}.png")
            rows.writerow([f"{n}.png", ("acne", "psoriasis", "melanoma")[n % 3], "dev" if n < 6 else "train"])
    return root


def test_images_of_the_disease_come_from_every_split_and_the_others_from_one(data_root: Path, tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    options = ["--model", "zsderm-mini", "--data-root", str(data_root), "--dataset", "set", "--output", str(output)]
    result = CliRunner().invoke(main, [*options, "--disease", "acne"], catch_exceptions=False)
    assert result.exit_code == 0 and "| acne | 4 | class-name |" in result.output
    figures = json.loads(output.read_text())["figures"]
    assert [row["n"] for row in figures] == [4] * 5
    assert all(0 <= row["recall_low"] <= row["recall"] <= row["recall_high"] <= 1 for row in figures)
    assert all(row["recall"] <= row["top2"] for row in figures)
    assert all(round(6 * row["accuracy"], 6) % 1 == 0 for row in figures)  # over the six images of the split


def test_a_disease_without_images_is_refused(data_root: Path) -> None:
    options = ["--model", "zsderm-mini", "--data-root", str(data_root), "--dataset", "set", "--disease", "measles"]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 2 and "measles: not among acne, melanoma, psoriasis" in result.output


def test_the_page_of_docs_is_what_the_committed_figures_give() -> None:
    docs = Path(__file__).resolve().parents[3] / "docs"
    figures = json.loads((docs / "unseen_diseases.json").read_text("utf-8"))["figures"]
    assert markdown(figures, 7) in (docs / "unseen_diseases.md").read_text("utf-8")
