from __future__ import annotations

import csv
import json
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from zsderm.benchmarks.experiments import supervised
from zsderm.benchmarks.experiments.supervised import STEPS, main, markdown, settings_of
from zsderm.pretrain.supervised.config import read_supervised_config

COMMITTED = Path(__file__).parents[3] / "docs" / "supervised.json"


def test_every_row_has_the_settings_of_those_above_it_and_the_last_is_the_bundled_recipe() -> None:
    rows = [settings_of(step, "pad", 0) for step in STEPS]
    for before, after in pairwise(rows):
        assert sum(before[name] != after[name] for name in after) == 1, "one step, one setting"
    last = read_supervised_config(supervised.CONFIG, {**rows[-1], "log_every": 20})
    bundled = read_supervised_config(supervised.CONFIG, {"evaluate": []})
    for name in ("class_balance", "augmentation", "mixup", "label_smoothing", "epochs", "average", "views"):
        assert getattr(last, name) == getattr(bundled, name), name


@pytest.mark.slow
def test_rows_are_trained_asked_and_kept(photo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {
        "tower": "test_efficientnet",
        "weights": "none",
        "preprocess_cfg": {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3},
        "samples_per_epoch": 8,
        "batch_size": 4,
        "classes": [],
    }
    rows = list(csv.DictReader((photo_root / "pad" / "index.csv").read_text().splitlines()))
    monkeypatch.setattr(supervised, "settings_of", lambda *asked: {**settings_of(*asked), **tiny})
    root = tmp_path / "data"
    (root / "pad").mkdir(parents=True)
    (root / "pad" / "images").symlink_to(photo_root / "pad" / "images")
    classes = ("nevus", "basal cell carcinoma", "actinic keratosis")
    more = ("melanoma", "seborrheic keratosis", "squamous cell carcinoma")
    lines = [f"{row['filename']},{(classes + more)[n % 6]},train,A{n}" for n, row in enumerate(rows)]
    lines += [f"{row['filename']},{row['label']},dev,B{n}" for n, row in enumerate(rows)]
    (root / "pad" / "index.csv").write_text("\n".join(["filename,label,split,patient_id", *lines]))
    steps = ["plain fine-tuning", "+ weights averaged over time", "+ views averaged at test time"]
    output, page = tmp_path / "out.json", tmp_path / "page.md"
    page.write_text("<!-- supervised pad imagenet -->\n<!-- end of supervised pad imagenet -->\n")
    for seed in ("1", "2"):
        arguments = ["--data-root", str(root), "--runs", str(tmp_path / "runs"), "--seed", seed]
        arguments += [part for step in steps for part in ("--step", step)]
        result = CliRunner().invoke(main, [*arguments, "--output", str(output), "--document", str(page)])
        assert result.exit_code == 0, result.output
    figures = json.loads(output.read_text())["figures"]
    assert [(row["step"], row["seed"]) for row in figures] == [(step, seed) for step in steps for seed in (1, 2)]
    assert len([path for path in (tmp_path / "runs").iterdir() if path.name != "decoded"]) == 4, "views train nothing"
    assert (
        page.read_text().count("| + views averaged at test time | 9 | 2 |") <= 1 and "| macro-F1 |" in page.read_text()
    )


@pytest.mark.skipif(not COMMITTED.is_file(), reason="not measured yet")
def test_the_table_of_the_page_is_that_of_the_figures() -> None:
    rows = [row for row in json.loads(COMMITTED.read_text())["figures"] if row["start"] == "imagenet"]
    page = COMMITTED.with_suffix(".md").read_text()
    assert markdown([row for row in rows if row["dataset"] == "pad"]) in page
