from __future__ import annotations

from click.testing import CliRunner

from zsderm.benchmarks.speed.scale import main


def test_every_limit_and_the_rounding_have_a_row() -> None:
    done = CliRunner().invoke(main, ["--images", "2", "--megapixels", "1.92", "--grain", "0"])
    assert done.exit_code == 0, done.output
    rows = [line.split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[1:3] for row in rows] == [
        ["2", "800 x 600"],
        ["4", "800 x 600"],
        ["8", "1600 x 1200"],
        ["rounding", "full"],
    ]
    assert all(0.9 < float(value) <= 1.00001 for row in rows for value in row[3:6])
    assert float(rows[2][3]) > 0.99999  # nothing was reduced
