from __future__ import annotations

import pytest
from click.testing import CliRunner

from zsderm.benchmarks.speed.folder_memory import Thumbnail, main, resident
from zsderm.encoders import Encoder


@pytest.mark.parametrize("arguments", [[], ["--output", "npy"], ["--output", "dataset", "--side", "32"]])
def test_the_table_has_a_row_a_point_and_two_at_the_end(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, ["--images", "40", "--points", "4", *arguments])
    assert done.exit_code == 0, done.output
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("|")]
    assert rows == ["images begun", "---", "0", "10", "20", "30", "all 40, 0 failed", "40 rows read"]
    assert 10 < resident() < 100_000


def test_the_thumbnail_is_an_encoder() -> None:
    assert isinstance(Thumbnail(), Encoder)
    assert Thumbnail().encode_texts(["a", "b"]).shape == (2, Thumbnail.card.width)
