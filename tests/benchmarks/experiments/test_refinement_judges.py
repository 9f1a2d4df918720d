"""The command that measures candidates and judges, and writes their tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.experiments import refinement_folders, refinement_judges
from zsderm.benchmarks.experiments.refinement_judges import main, synthetic
from zsderm.benchmarks.experiments.refinement_outcomes import LOOSE


def test_reserved_synthetic_folders_are_not_those_of_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement_judges, "SYNTHETIC_POOLS", {"tuning": 1, "reserved": 1})
    assert not set(refinement_judges.SEEDS["tuning"]) & set(refinement_judges.SEEDS["reserved"])
    tuning, reserved = (list(synthetic(part)) for part in ("tuning", "reserved"))
    assert tuning and reserved and not np.array_equal(tuning[0].features, reserved[0].features)


def test_an_encoder_away_needs_a_name_a_folder_and_tables(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--data-root", str(tmp_path), "--away", "first=nowhere"])
    assert done.exit_code == 2 and "NAME=FOLDER:TABLE" in done.stderr


def test_part_of_the_folders_is_measured_to_be_kept(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--data-root", str(tmp_path), "--part", "tuning"])
    assert done.exit_code == 2 and "--keep FILE" in done.stderr


@pytest.mark.slow
def test_the_command_writes_tables_figures_and_rows_that_can_be_judged_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refinement_judges, "SYNTHETIC_POOLS", {"tuning": 2, "reserved": 1})
    monkeypatch.setattr(refinement_judges, "SEEDS", {"tuning": (0,), "reserved": (1000,)})
    monkeypatch.setattr(refinement_folders, "REGIMES", ("natural", "one class"))
    rng, labels = np.random.default_rng(0), ("nevus", "melanoma", "basal cell carcinoma") * 16
    for source in ("pad", "isic2017"):
        (tmp_path / source).mkdir()
        with (tmp_path / source / "index.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["filename", "label", "split"])
            for n, label in enumerate(labels):
                Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(tmp_path / source / f"{n}.png")
                writer.writerow([f"{n}.png", label, "train" if n % 2 else "dev"])
    page, figures, kept = (tmp_path / name for name in ("page.md", "figures.json", "rows.csv"))
    page.write_text(
        "Before\n"
        + "".join(f"<!-- {one} -->\n<!-- end of {one.split(':')[0]} -->\n" for one in refinement_judges.PARTS)
    )
    away = ["--away", "other=zsderm-mini:isic2017/index.csv"]
    where = ["--data-root", tmp_path, "--cache-dir", tmp_path / "cache", "--output", figures, "--document", page]
    done = CliRunner().invoke(main, [*map(str, where), *away, "--keep", str(kept)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    text, first = page.read_text(), json.loads(figures.read_text())
    assert text.startswith("Before") and "| auto as it is |" in text and "ways to decide" in text
    assert "| home mean, half | natural |" in text and set(first["let loose as they come, by regime"]) == set(LOOSE)
    assert {"away", "home", "synthetic"} == set(first["reserved"]["auto as it is"])
    again = CliRunner().invoke(main, [*map(str, where), "--rows", str(kept)], catch_exceptions=False)
    assert again.exit_code == 0 and json.loads(figures.read_text()) == first
    part = tmp_path / "tuning.csv"
    only = [*map(str, where), *away, "--part", "tuning", "--keep", str(part)]
    assert CliRunner().invoke(main, only, catch_exceptions=False).exit_code == 0
    rows = pd.read_csv(kept)
    pd.testing.assert_frame_equal(pd.read_csv(part), rows[rows["part"] == "tuning"])
    rest = tmp_path / "reserved.csv"
    rows[rows["part"] == "reserved"].to_csv(rest, index=False)
    both = [*map(str, where), "--rows", str(part), "--rows", str(rest)]
    assert CliRunner().invoke(main, both, catch_exceptions=False).exit_code == 0
    assert json.loads(figures.read_text()) == first
