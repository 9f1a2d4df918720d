"""The race of a data set with rows in memory, at toy size."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from zsderm.benchmarks.speed import embed
from zsderm.benchmarks.speed.folder_memory import EXAMPLES


def test_photographs_come_in_series_of_one_size(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(embed, "SIZES", {0.03: 2, 0.12: 1})
    links = embed.series(tmp_path / "photographs", EXAMPLES, 9, 2)
    sizes = []
    for link in links:
        with Image.open(link) as image:
            sizes.append(image.size)
    assert sizes == [(200, 150)] * 4 + [(400, 300)] * 2 + [(200, 150)] * 3
    assert links == sorted(links) and len({link.resolve() for link in links}) <= 2 * embed.EACH


def test_the_table_has_a_row_for_each_contender_and_their_rows_agree(monkeypatch) -> None:
    monkeypatch.setattr(embed, "SIZES", {0.03: 2, 0.12: 1})
    threads = embed.image_features.BATCHES_AHEAD
    arguments = ["--images", "12", "--encoder-ms", "1", "--batch-size", "4", "--ahead", "1", "--ahead", str(threads)]
    done = CliRunner().invoke(embed.main, [*arguments, "--workers", "2", "--repeats", "1", "--part-rows", "5"])
    assert done.exit_code == 0, done.output
    rows = [line.split(" | ")[0].strip() for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows == ["|", *[f"| {embed.DATASET}", f"| {embed.PEER}"] * 2]
    assert "largest difference between the rows of any two: 0.0e+00" in done.stdout
