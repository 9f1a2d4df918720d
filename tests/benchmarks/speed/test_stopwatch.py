from __future__ import annotations

import time

import pytest
import torch

from zsderm.benchmarks.speed.stopwatch import COLUMNS, Figure, Stopwatch, Timing

CPU = torch.device("cpu")


def test_a_warm_up_and_then_as_many_runs_as_were_asked_for() -> None:
    runs: list[str] = []
    timing = Stopwatch(CPU, 60, repeats=3).measure(lambda: runs.append("run"), lambda: runs.append("warm-up"))
    assert runs == ["warm-up", "run", "run", "run"]
    assert len(timing.seconds) == 3 and timing.gigabytes is None
    Stopwatch(CPU, 60, repeats=3).measure(lambda: runs.append("again"), repeats=1)
    assert runs[4:] == ["again", "again"]


def test_one_run_even_where_the_time_is_used_up() -> None:
    watch = Stopwatch(CPU, 0.0)
    assert watch.is_over
    assert len(watch.measure(lambda: None).seconds) == 1


def test_no_run_begins_after_the_time() -> None:
    watch = Stopwatch(CPU, 0.02, repeats=100)
    timing = watch.measure(lambda: time.sleep(0.015))
    assert len(timing.seconds) <= 2 and watch.is_over


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_card_is_waited_for_and_its_memory_is_read() -> None:
    rows = torch.ones(4096, 4096, device="cuda")
    timing = Stopwatch(torch.device("cuda"), 60).measure(lambda: rows @ rows)
    assert timing.gigabytes is not None and 0.13 < timing.gigabytes < 1.0
    assert timing.median > 1e-4  # a launch alone would take less


def test_a_figure_is_the_median_in_seconds_or_images_a_second() -> None:
    timing = Timing((0.5, 2.0, 1.0), 1.234)
    assert timing.figure("N = 4").cells() == ["N = 4", "1", "s", "0.5 to 2 (3)", "1.23", ""]
    assert timing.figure("N = 4", 2000, "note").cells() == [
        "N = 4", "2 000", "images/s", "1 000 to 4 000 (3)", "1.23", "note"
    ]  # fmt: skip
    assert len(Figure().cells()) == len(COLUMNS) - 1
