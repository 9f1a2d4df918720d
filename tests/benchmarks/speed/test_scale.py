from __future__ import annotations

from click.testing import CliRunner

from zsderm.benchmarks.speed.scale import main
from zsderm.encoders import mini


def test_every_limit_and_the_rounding_have_a_row() -> None:
    side = mini.card().image_size
    width, height = (sides * (14 * side // 10) for sides in (8, 6))  # 8.4 times what the encoder looks at
    done = CliRunner().invoke(main, ["--images", "2", "--megapixels", str(width * height / 1e6), "--grain", "0"])
    assert done.exit_code == 0, done.output
    rows = [line.split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[1:3] for row in rows] == [
        ["4", f"{width // 2} x {height // 2}"],
        ["5", f"{width} x {height}"],
        ["8", f"{width} x {height}"],
        ["rounding", "full"],
    ]
    assert all(0.9 < float(value) <= 1.00001 for row in rows for value in row[3:6])
    assert float(rows[2][3]) > 0.99999  # nothing was reduced
