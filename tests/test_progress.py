"""How far the work is: a bar on a terminal from the start on, lines in a log."""

from __future__ import annotations

import re

import pytest

from zsderm import progress
from zsderm.cli.talk import say
from zsderm.cli.terminal import harmless_streams
from zsderm.progress import counting, left_text, progress_bar, rate_text, spinner


def test_the_figures_are_for_people() -> None:
    assert [rate_text(done, 10) for done in (0, 5, 25)] == ["", "2.0 s/image", "2.5 images/s"]
    assert [left_text(seconds) for seconds in (5, 90, 3600, 9000)] == [
        "5 s left",
        "2 min left",
        "1 h 0 min left",
        "2 h 30 min left",
    ]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_a_minute(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with counting("Embedding images", 1000, True) as tell, counting("Other", None, True) as other:
        for _ in range(20):
            clock[0] += 10
            tell(20)
            other(1)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Embedding")]
    assert lines == [
        "Embedding images: 120 of 1000, 2.0 images/s, 7 min left",
        "Embedding images: 240 of 1000, 2.0 images/s, 6 min left",
        "Embedding images: 360 of 1000, 2.0 images/s, 5 min left",
    ]


def test_a_log_names_each_pass(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(10, True) as announce:
        for title, done in [("totals", 5), ("totals", 10), ("pass 2", 5)]:
            clock[0] += 40
            announce(title, done)
    assert [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()] == ["Refining: totals: 10 of 10"]


def test_nothing_is_said_where_nothing_is_wanted(clock: list[float], capfd: pytest.CaptureFixture[str]) -> None:
    with spinner("Loading", False), counting("Embedding images", 10, False) as tell:
        clock[0] += 100
        tell(5)
    assert capfd.readouterr() == ("", "")


def test_a_terminal_sees_count_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with spinner("Loading zsderm-mini", True):
        pass
    with counting("Embedding images", 10, True) as tell:
        tell(0.5)
        tell(3.5)
    out, err = capfd.readouterr()
    assert out == "" and "Loading zsderm-mini" in err
    assert "Embedding images" in err and "0 of 10" in err and "4 of 10  " in err and "images/s" in err


def test_the_time_left_on_a_terminal_is_that_of_a_log(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with counting("Embedding images", 1000, True) as tell:
        clock[0] += 56  # nothing, and then a batch at once
        tell(32)
        clock[0] += 1
        tell(32)
        clock[0] += 63  # the next batch takes long
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capfd.readouterr().err)
    assert "64 of 1000  1.9 s/image  29 min left" in plain, "the last that is shown"


def test_a_bar_steers_the_terminal_behind_a_stream_that_does_not(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with harmless_streams():
        with spinner("Loading", True):
            pass
        with progress_bar(10, True) as announce:
            announce("labels", 5)
            say("a name: \x1b[2J")
    err = capfd.readouterr().err
    assert "\x1b[2K" in err and "\\x1b[2K" not in err  # the line is taken back, not written out
    assert "a name: \\x1b[2J" in err.replace("\n", "")
