from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.experiments.label_errors import SETS, SWAPS, foreign_pictures, main, swapped
from zsderm.benchmarks.experiments.unchecked_labels import markdown, measure


@pytest.mark.parametrize("swap", SWAPS)
def test_so_many_labels_are_swapped_for_another_class(swap: str) -> None:
    true = np.repeat(np.arange(3), [80, 15, 5])
    labels = swapped(true, 10, swap, seed=1)
    assert (labels != true).sum() == 10 and set(labels.tolist()) == {0, 1, 2}
    assert (labels == swapped(true, 10, swap, seed=1)).all() and (true == np.repeat(np.arange(3), [80, 15, 5])).all()


def test_half_of_the_foreign_pictures_change_with_the_seed() -> None:
    one, other = foreign_pictures(0), foreign_pictures(1)
    assert len(one) == 10 and [a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True)].count(True) == 5


def test_unchecked_labels_that_are_wrong_come_out_above_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsderm.benchmarks.experiments.unchecked_labels.DRAWS", 20)
    rng = np.random.default_rng(0)
    true = np.repeat([0, 1], 30)
    rows = (np.eye(2, 8)[true] + rng.normal(0, 0.1, (60, 8))).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = np.array(["nevus", "melanoma"])[true]
    names[:8] = "melanoma"  # nevi called melanoma, and nobody checked
    found = measure(rows, names.tolist(), np.arange(60) < 8, ["ISIC_0000"] * 60)
    assert (
        found["auroc"] > 0.95
        and found["within_blocks"] == pytest.approx(found["auroc"])
        and (found["unchecked"], found["checked"]) == (8, 30)
    )
    assert "| tiny | 8 | 30 | " in "\n".join(markdown({"tiny": found}))


@pytest.mark.slow
def test_both_tables_fill_their_place_in_a_page(
    tiny_encoder: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("zsderm.benchmarks.experiments.label_errors.load_encoder", lambda name: tiny_encoder)
    rng = np.random.default_rng(0)
    for name, column in SETS.items():
        folder = tmp_path / name
        folder.mkdir()
        rows = [f"filename,label,split,{column}"]
        for index in range(24):
            label = ("nevus", "melanoma")[index % 2]
            pixels = rng.integers(0, 100, (32, 32, 3)) + np.array([150 * (index % 2), 0, 0])
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
            rows.append(f"{index}.png,{label},dev,p{index}")
        (folder / "index.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    page, output = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("<!-- label errors -->\nstale\n<!-- end of label errors -->\n", encoding="utf-8")
    arguments = ["--data-root", str(tmp_path), "--seeds", "1", "--output", str(output), "--document", str(page)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    text = page.read_text(encoding="utf-8")
    assert result.exit_code == 0 and "stale" not in text and "| pad (24) | any | fitted | 1 | " in text
    assert "| nearest others | 10 | " in text
    assert json.loads(output.read_text(encoding="utf-8"))["sets"]["pad"]["swapped"] == 1
