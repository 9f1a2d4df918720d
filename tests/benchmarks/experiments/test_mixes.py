from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner

from zsderm.benchmarks.experiments.mixes import main, mixes

CLASSES = ("basal cell carcinoma", "melanoma", "nevus", "wart")
LABELS = np.array([2] * 9 + [1] * 6 + [0] * 2)


def test_the_natural_mix_comes_first_and_is_everything() -> None:
    first = next(mixes(LABELS, CLASSES))
    assert first.name == "natural" and first.rows.tolist() == list(range(17))


def test_balanced_subsets_hold_every_class_that_occurs_alike() -> None:
    balanced = [mix for mix in mixes(LABELS, CLASSES, seeds=3) if mix.name.startswith("balanced")]
    assert len({tuple(mix.rows) for mix in balanced}) == 3
    for mix in balanced:
        assert np.bincount(LABELS[mix.rows], minlength=4).tolist() == [2, 2, 2, 0]


def test_a_folder_of_one_class_holds_all_of_it_unless_it_is_tiny() -> None:
    single = {mix.name: mix.rows for mix in mixes(LABELS, CLASSES) if mix.name.startswith("only")}
    assert {name: len(rows) for name, rows in single.items()} == {"only nevus": 9, "only melanoma": 6}
    assert set(LABELS[single["only nevus"]]) == {2}


def test_the_script_prints_a_row_a_folder(photo_root: Path) -> None:
    done = CliRunner().invoke(main, ["--dataset", "pad", "--data-root", str(photo_root)])
    assert done.exit_code == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| PAD dev")]
    assert [row[1] for row in rows] == [
        "natural",
        *(f"balanced {seed}" for seed in range(5)),
        "only nevus",
        "only basal cell carcinoma",
        "only actinic keratosis",
    ]
    assert all("(fell back)" in row[-1] for row in rows)  # so few photographs are never refined
