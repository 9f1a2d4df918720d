from __future__ import annotations

import subprocess
import sys

import torch

from zsderm.benchmarks.speed import encode


def test_the_ratio_is_to_the_best_of_the_others(capsys) -> None:
    times = {"a": (4.0, 4.0), "b": (2.0, 5.0), "zsderm": (1.0, 2.0), "zsderm, second run": (0.1, 0.2)}
    encode._table("t", {name: encode.Timing(*both, "1") for name, both in times.items()}, 8)
    rows = [line.split(" | ")[:5] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert rows == [
        ["| a", "2.00", "0.50", "500.0", "1.00"],
        ["| b", "4.00", "1.00", "625.0", "0.80"],
        ["| zsderm", "8.00", "2.00", "250.0", "2.00"],
        ["| zsderm, second run", "80.00", "20.00", "25.0", "20.00"],
    ]


def test_the_fastest_of_the_runs_counts_and_cosines_are_with_the_plain_loop() -> None:
    runs: list[str] = []
    rows = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    contenders = {name: lambda name=name: (runs.append(name), rows)[1] for name in "ab"}
    found = encode._timed(contenders, 2, {"a": torch.eye(2), "b": rows})
    assert runs == [*"abab"]  # in turn
    assert 0 <= found["a"].seconds < 1 and 0 <= found["a"].work < 1
    assert (found["a"].cosine, found["b"].cosine) == ("0.70711 (0.85355)", "1.00000 (1.00000)")


def test_the_way_to_a_first_answer_loads_no_package_that_it_does_not_need() -> None:
    wanted = "'scipy', 'sklearn', 'matplotlib', 'sentence_transformers', 'transformers', 'jinja2', 'IPython'"
    code = f"import sys, zsderm.cli.classify, zsderm.classifier; print(*{{{wanted}}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
