from __future__ import annotations

import torch

from zsderm.benchmarks.speed import encode


def test_the_ratio_is_to_the_best_of_the_others(capsys) -> None:
    encode._table("t", {"a": (4.0, "1"), "b": (2.0, "1"), "zsderm": (1.0, "1"), "zsderm, second run": (0.1, "1")}, 8)
    rows = [line.split(" | ")[:3] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert rows == [
        ["| a", "2.00", "0.50"],
        ["| b", "4.00", "1.00"],
        ["| zsderm", "8.00", "2.00"],
        ["| zsderm, second run", "80.00", "20.00"],
    ]


def test_the_fastest_of_the_runs_counts_and_cosines_are_with_the_plain_loop() -> None:
    expected = torch.eye(2)
    seconds, cosine = encode._timed(lambda: torch.tensor([[1.0, 0.0], [1.0, 1.0]]), 3, expected)
    assert seconds < 1
    assert cosine == "0.70711 (0.85355)"
