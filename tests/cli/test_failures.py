from __future__ import annotations

import pytest

from zsderm.cli.failures import SHOWN, print_failures


def test_the_first_reasons_are_listed_and_the_others_counted(capsys: pytest.CaptureFixture) -> None:
    print_failures({f"{number}.jpg": "it is empty" for number in range(SHOWN + 2)}, "the column error")
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("it is empty") == SHOWN
    assert shown.err.startswith("  failed: 0.jpg: it is empty\n")
    assert shown.err.endswith("  and 2 more failures: see the column error\n")


def test_nothing_is_said_where_nothing_failed(capsys: pytest.CaptureFixture) -> None:
    print_failures({})
    assert capsys.readouterr().err == ""
