"""Judges: the thresholds they learn are those that a search through all of them finds."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from zsderm.benchmarks.experiments.refinement_evidence import EVIDENCE
from zsderm.benchmarks.experiments.refinement_rules import (
    Condition,
    Rule,
    best_pair,
    best_regression,
    best_single,
    of_candidates,
    safe_threshold,
)


def rows(count: int = 60, seed: int = 0) -> pd.DataFrame:
    """Folders whose gain hangs on two evidences, with noise."""
    rng = np.random.default_rng(seed)
    made = pd.DataFrame({name: rng.normal(size=count) for name in EVIDENCE})
    made["gain"] = 3 * made["neighbours"] - 2 * made["moved"] + rng.normal(size=count)
    made["balanced gain"], made["bound"] = made["gain"], rng.choice([1.0, 3.0], count)
    made["kind"], made["candidate"] = rng.choice(["real", "synthetic"], count), "a"
    return made


@pytest.mark.parametrize("nothing", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_threshold_is_the_best_of_all_safe_ones(nothing: bool, seed: int) -> None:
    made = rows(seed=seed)
    scores = made["neighbours"].round(1).to_numpy(copy=True)  # with equal ones
    scores[:5] = np.nan
    best = 0.0
    for threshold in scores:
        taken = made[scores >= threshold]
        allowed = 0 if nothing else taken["bound"]
        if (taken["gain"] >= -allowed).all():
            best = max(best, taken.loc[taken["kind"] == "real", "gain"].sum())
    found = safe_threshold(scores, made, nothing)
    assert best > 0 and found is not None and found[1] == pytest.approx(best)
    taken = made[scores >= found[0]]
    assert taken.loc[taken["kind"] == "real", "gain"].sum() == pytest.approx(best)


def test_no_rule_where_every_folder_loses() -> None:
    made = rows()
    made["gain"] = -5.0
    assert best_single(made, "moved") is None and best_pair(made) is None and best_regression(made) is None


@pytest.mark.parametrize("nothing", [False, True])
def test_a_pair_is_safe_and_no_other_pair_of_its_levels_gains_more(nothing: bool) -> None:
    made, columns = rows(), ("neighbours", "moved", "changed")
    found = best_pair(made, nothing, columns)
    assert found is not None
    taken = made[found.accepts(made)]
    assert (taken["gain"] >= (0 if nothing else -taken["bound"])).all()
    assert taken.loc[taken["kind"] == "real", "gain"].sum() == pytest.approx(found.gained)
    sides = [(name, sign) for name in columns for sign in (1, -1)]
    best = 0.0
    for pair in combinations(sides, 2):
        levels = [
            sorted(np.quantile(sign * made[name], np.linspace(0, 1, 24, endpoint=False), method="higher"))
            for name, sign in pair
        ]
        for one in levels[0]:
            for other in levels[1]:
                which = np.logical_and(
                    *(sign * made[name] >= least for (name, sign), least in zip(pair, (one, other), strict=True))
                )
                part = made[which]
                if (part["gain"] >= (0 if nothing else -part["bound"])).all():
                    best = max(best, part.loc[part["kind"] == "real", "gain"].sum())
    assert found.gained == pytest.approx(best)


def test_two_evidences_gain_at_least_what_their_better_one_gains_at_the_same_levels() -> None:
    made = rows(400)
    pair, single = best_pair(made), best_single(made, "neighbours")
    assert pair is not None and (single is None or pair.gained > single.gained)
    assert {one.column for one in pair.conditions} == {"neighbours", "moved"}


def test_a_regression_finds_the_folders_that_gain() -> None:
    made, fresh = rows(400), rows(400, seed=1)
    found = best_regression(made)
    assert found is not None
    taken = fresh[found.accepts(fresh)]
    assert len(taken) > 20 and taken["gain"].mean() > fresh["gain"].mean() + 1
    assert (made[found.accepts(made)]["gain"] >= -made[found.accepts(made)]["bound"]).all()


def test_evidence_that_is_missing_accepts_nothing() -> None:
    made = rows()
    made["familiarity"] = np.nan
    for sign in (1, -1):
        assert not Rule("a", (Condition("familiarity", sign, -99 * sign),), 0.0).accepts(made).any()
    assert best_single(made, "familiarity") is None
    found = best_pair(made)
    assert found is not None and "familiarity" not in {one.column for one in found.conditions}


def test_words_of_a_rule_and_parts_by_candidate() -> None:
    rule = Rule("smoothed", (Condition("moved", -1, 0.123456), Condition("changed", 1, 0.5)), 1.0)
    assert str(rule) == "smoothed, where moved <= 0.123 and changed >= 0.5"
    both = pd.concat([rows(), rows(seed=1).assign(candidate="b")])
    assert [part["candidate"].unique().tolist() for part in of_candidates(both)] == [["a"], ["b"]]
