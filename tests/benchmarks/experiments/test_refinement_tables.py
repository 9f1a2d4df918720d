"""Tables of judges: figures counted by hand, and words that say who keeps the bound."""

from __future__ import annotations

import pandas as pd
import pytest

from zsderm.benchmarks.experiments.refinement_tables import (
    figures,
    figures_by,
    grouped,
    in_full,
    listed,
    overview,
    summary,
    verdict,
)


def outcome(gains: list[float], refined: bool = True) -> pd.DataFrame:
    """The first half of the folders at home, then a quarter away, and a quarter synthetic."""
    made = pd.DataFrame({"gain": gains, "balanced gain": [2 * one for one in gains], "bound": 1.0})
    half, quarter = len(gains) // 2, len(gains) // 4
    made["kind"] = ["real"] * (half + quarter) + ["synthetic"] * quarter
    made["away"] = [False] * half + [True] * quarter + [False] * quarter
    return made.assign(refined=refined)


def test_a_summary_is_counted_by_hand() -> None:
    found = summary(outcome([-1.5, -1.0, *[0.0] * 16, 2.0, 4.5]))
    assert found["folders"] == 20 and found["refined"] == 100
    assert found["gain"] == pytest.approx(0.2) and found["balanced gain"] == pytest.approx(0.4)
    assert found["worst"] == -1.5 and found["worst tenth"] == -1.25 and found["lose more than the bound"] == 1


def test_scopes_are_apart() -> None:
    found = figures(outcome([1.0, 1.0, 1.0, 1.0, 5.0, 5.0, -3.0, -3.0]))
    assert {name: one["gain"] for name, one in found.items()} == {"home": 1.0, "away": 5.0, "synthetic": -3.0}
    assert set(figures(outcome([1.0] * 4).iloc[:3])) == {"home", "away"}


def test_tables_have_a_row_for_each_judge_and_scope() -> None:
    made = {"cautious": outcome([0.0] * 8, refined=False), "bold": outcome([1.0] * 4 + [5.0] * 2 + [-3.0] * 2)}
    text = overview(made)
    assert text.count("| cautious |") == text.count("| bold |") == 3
    assert "| bold | 100 % | +5.0 / +10.0 | +5.0 | +5.0 | 0 |" in text
    assert "| bold | 100 % | -3.0 / -6.0 | -3.0 | -3.0 | 2 |" in text
    assert "| bold | +5.0 / +10.0 | +1.0 / +2.0 | -3.0 / -6.0 | 100 % | -3.0 | 2 |" in in_full(made)
    assert listed({"one": "a, where b >= 1"}) == "- one: a, where b >= 1."


def test_regimes_have_a_row_each_of_real_folders() -> None:
    made = outcome([1.0, -2.0, 3.0, 0.0, -4.0, 2.0, -9.0, -9.0])
    regimes = ["natural", "natural", "natural", "copies", *["natural"] * 4]
    outcomes = {"bold": made.assign(regime=regimes)}
    text = grouped(outcomes, "regime")
    assert text.startswith("| candidate | regime | away: folders | mean | worst | lose | home: folders |")
    assert figures_by(outcomes, "regime")["bold"]["copies"] == {"home": summary(made.iloc[3:4])}
    assert "| bold | natural | 2 | -1.0 / -2.0 | -4.0 | 1 | 3 | +0.7 / +1.3 | -2.0 | 1 |" in text
    assert "| bold | copies |  |  |  |  | 1 | +0.0 / +0.0 | +0.0 | 0 |" in text and "-9.0" not in text


def test_the_verdict_names_the_safe_judges_and_what_the_best_of_them_gains() -> None:
    bold, oracle = outcome([1.0] * 4 + [5.0] * 2 + [-3.0] * 2), outcome([2.0] * 8)
    text = verdict({"oracle: all": oracle, "none": outcome([0.0] * 8), "shy": outcome([0.5] * 8), "bold": bold})
    assert text.startswith("Of 3 ways to decide, 2 keep the bound on all 8 reserved folders: none, shy.")
    assert "away from home, 'shy', changes accuracy by +0.50 points and balanced accuracy by +1.00" in text
    assert "gains +2.0" in text and verdict({"bold": bold}) == (
        "Of 1 ways to decide, 0 keep the bound on all 8 reserved folders."
    )
