from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from zsderm.benchmarks.experiments.mixes import main


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
