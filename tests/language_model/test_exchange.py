"""When a server says how long to wait."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, formatdate

import pytest

from zsderm.language_model.exchange import seconds_to_wait


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7.0), (" 0 ", 0.0), ("1.5", 1.5), ("0.25", 0.25), ("99999999", 99999999.0)],
)
def test_seconds_and_fractions_are_read(said: str, seconds: float) -> None:
    assert seconds_to_wait(said) == seconds


def test_dates_are_read() -> None:
    later = datetime.now(timezone.utc) + timedelta(seconds=30)
    assert seconds_to_wait(format_datetime(later, usegmt=True)) == pytest.approx(30, abs=2)
    assert seconds_to_wait(formatdate(time.time() + 30)) == pytest.approx(30, abs=2), "with -0000"
    assert seconds_to_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0, "past"


@pytest.mark.parametrize(
    "said", ["", "-5", "\u00b2", "nan", "inf", "1e9", "soon", "9" * 400, "Wed, 99 Oct 2015 07:28:00 GMT"]
)
def test_what_is_neither_says_nothing(said: str) -> None:
    assert seconds_to_wait(said) is None
