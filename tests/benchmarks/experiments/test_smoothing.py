"""The measurement of smoothing: divisions that divide no patient, sets that hold what they should, and its tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch.nn.functional import normalize

from zsderm.benchmarks.experiments.smoothing import Folder, divisions, folders_of, main, set_rows, sets_of

LABELS = ("nevus", "melanoma", "basal cell carcinoma") * 8


def folder(images: int = 240, classes: int = 3) -> Folder:
    """Images around centres, with answers that are often right, two images of each patient."""
    generator = torch.Generator().manual_seed(0)
    true = torch.randint(classes, (images,), generator=generator)
    centres = torch.randn(classes, 16, generator=generator)
    features = normalize(centres[true] + torch.randn(images, 16, generator=generator), dim=1)
    logits = torch.randn(images, classes, generator=generator) + 1.5 * torch.eye(classes)[true]
    units = np.array([f"P{n // 2}" for n in range(images)], dtype=object)
    return Folder("made", "made", true, units, features, torch.softmax(logits, dim=1))


def test_divisions_never_divide_a_patient_and_hold_every_image() -> None:
    made = folder()
    for learn, others in divisions(made, 5):
        assert not set(made.units[learn]) & set(made.units[others])
        assert sorted([*learn, *others]) == list(range(240)) and len(learn) == 120


def test_folders_are_of_one_size() -> None:
    rows = np.arange(55)
    assert [part.tolist() for part in folders_of(rows, None)] == [rows.tolist()]
    assert [len(part) for part in folders_of(rows, 20)] == [20, 20]
    assert len(folders_of(rows, 5)) == 10 and folders_of(rows, 56) == []


def test_sets_hold_the_true_class_as_often_as_asked_in_every_way() -> None:
    rows = list(set_rows(folder(), 12))
    ways = {(row["way"], row["gamma"], row["folder"]) for row in rows}
    assert {("apart", 0.0, 0), ("apart", 1.0, 20), ("together", 0.3, 5)} <= ways
    for key in (way for way in ways if way[2] == 0):
        own = [row for row in rows if (row["way"], row["gamma"], row["folder"]) == key]
        assert 0.84 < np.mean([row["coverage"] for row in own]) < 0.96
        assert 1 <= np.mean([row["classes"] for row in own]) <= 3


def test_sets_of_certain_and_right_answers_hold_one_class() -> None:
    true = torch.arange(60) % 3
    sure = 0.97 * torch.eye(3)[true] + 0.01
    covered, classes, loss = sets_of(sure, sure, true, true)
    assert (covered, classes) == (1.0, 1.0) and loss < 0.1


@pytest.mark.slow
def test_the_script_writes_tables_and_figures_and_says_what_is_absent(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "pad").mkdir()
    with (tmp_path / "pad" / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "label", "split", "patient_id"])
        for n, label in enumerate(LABELS):
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(tmp_path / "pad" / f"{n}.png")
            writer.writerow([f"{n}.png", label, "dev", f"P{n // 2}"])
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("Before\n<!-- smoothing -->\n<!-- end of smoothing -->\nAfter\n")
    where = ["--data-root", tmp_path, "--cache-dir", tmp_path / "cache", "--output", figures, "--document", page]
    done = CliRunner().invoke(main, [*map(str, where), "--repeats", "2", "--model", "mine=zsderm-mini"])
    assert done.exit_code == 0, done.output
    assert "ham10000: not in" in done.stderr
    text = page.read_text()
    assert text.startswith("Before") and text.endswith("After\n") and "| mine | pad (24) |" in text
    assert "| mine | pad | 5 | " in text and "| mine | pad | half | " in text
    content = json.loads(figures.read_text())
    assert content["divisions"] == 2 and {row["gamma"] for row in content["answers"]} == {0.0, 0.1, 0.3, 1.0}


@pytest.mark.slow
def test_smoothing_keeps_the_coverage_of_photographs_within_two_points(data_root: Path) -> None:
    from zsderm import load_encoder

    pad = Folder.of(load_encoder("zsderm-mini"), "zsderm-mini", data_root, "pad", "dev", None)
    rows = [row for row in set_rows(pad, 10) if row["folder"] == 0]
    by_gamma = {
        gamma: np.mean([row["coverage"] for row in rows if row["gamma"] == gamma and row["way"] == "apart"])
        for gamma in (0.0, 0.1)
    }
    assert abs(by_gamma[0.1] - by_gamma[0.0]) < 0.02
