"""The cost of smoothing: one row a size."""

from __future__ import annotations

import torch
from click.testing import CliRunner

from zsderm.benchmarks.speed.smoothing import images, main


def test_one_row_for_each_size() -> None:
    done = CliRunner().invoke(main, ["--size", "40x8x3", "--size", "60x8x5"])
    assert done.exit_code == 0, done.output
    rows = [line.split(" | ") for line in done.output.splitlines()[2:]]
    assert [row[:3] for row in rows] == [["| 40", "8", "3"], ["| 60", "8", "5"]]


def test_images_are_unit_rows_with_labels() -> None:
    rows, labels = images(30, 8, 4)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(30))
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(30))
