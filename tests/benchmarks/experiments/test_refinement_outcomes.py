"""Outcomes of judges: thresholds never see the source or the encoder that they are tried on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zsderm.benchmarks.experiments.refinement_candidates import CANDIDATES
from zsderm.benchmarks.experiments.refinement_evidence import EVIDENCE
from zsderm.benchmarks.experiments.refinement_folders import REGIMES
from zsderm.benchmarks.experiments.refinement_outcomes import (
    as_they_come,
    best_of,
    each_candidate,
    families,
    fixed_outcomes,
    groups,
    judged,
    let_loose,
    let_loose_without_bias,
)
from zsderm.benchmarks.experiments.refinement_rules import Condition, Rule
from zsderm.benchmarks.experiments.refinement_tables import summary

SUBJECTS = (("mini", "pad", False), ("mini", "ham10000", False), ("first", "pad", False), ("first", "isic2017", True))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Two candidates: "good" gains where the neighbours say so, "bad" always loses; and what "auto" did."""
    rng, made, folder = np.random.default_rng(0), [], 0
    for part in ("tuning", "reserved"):
        for encoder, source, away in (*SUBJECTS, ("synthetic", "synthetic", False)):
            for _ in range(40):
                facts = {"part": part, "encoder": encoder, "source": source, "away": away, "folder": folder}
                facts |= {"kind": "synthetic" if source == "synthetic" else "real", "bound": 1.0, "guard": False}
                for candidate in ("good", "bad", *(["auto"] if part == "reserved" else [])):
                    evidence = {name: rng.normal() for name in EVIDENCE}
                    gain = {"good": 4 * evidence["neighbours"], "bad": -5.0, "auto": 0.0}[candidate]
                    made.append(
                        facts | evidence | {"candidate": candidate, "gain": gain, "balanced gain": gain, "size": 99}
                    )
                folder += 1
    return pd.DataFrame(made)


def test_thresholds_see_neither_the_source_nor_the_encoder_that_they_are_tried_on(rows: pd.DataFrame) -> None:
    seen = []
    for tuning, own in groups(rows):
        (encoder,), (source,) = own["encoder"].unique(), own["source"].unique()
        seen.append((encoder, source))
        assert set(own["part"]) == {"reserved"} and set(tuning["part"]) == {"tuning"}
        assert "synthetic" in set(tuning["kind"])
        real = tuning[tuning["kind"] == "real"]
        assert len(real) and (source == "synthetic" or encoder not in set(real["encoder"]))
        assert source == "synthetic" or source not in set(real["source"])
    assert sorted(seen) == sorted([*((one, other) for one, other, _ in SUBJECTS), ("synthetic", "synthetic")])


@pytest.mark.parametrize("name", ["one evidence", "two evidences", "regression"])
def test_judges_find_the_candidate_that_gains_and_when(rows: pd.DataFrame, name: str) -> None:
    tried = rows[rows["candidate"] != "auto"]
    outcome = judged(tried, families(nothing=False)[name])
    assert sorted(outcome["folder"]) == sorted(rows.loc[rows["part"] == "reserved", "folder"].unique())
    assert set(outcome.loc[outcome["refined"], "candidate"]) == {"good"}
    assert (outcome.loc[~outcome["refined"], "gain"] == 0).all()
    found, could = summary(outcome), summary(fixed_outcomes(rows)["oracle: the best candidate of each folder"])
    assert could["gain"] / 2 < found["gain"] <= could["gain"] and could["worst"] == 0


def test_without_a_judge_the_best_candidate_is_let_loose(rows: pd.DataFrame) -> None:
    tried = rows[rows["candidate"] != "auto"]
    outcome = judged(tried, let_loose)
    assert outcome["refined"].all() and set(outcome["candidate"]) == {"good"}
    assert summary(outcome)["lose more than the bound"] > 0


def test_a_judge_that_finds_nothing_leaves_every_folder_alone(rows: pd.DataFrame) -> None:
    tried = rows[rows["candidate"] != "auto"].assign(candidate=next(iter(CANDIDATES)))
    outcome = judged(tried.drop_duplicates("folder"), lambda _: None)
    assert not outcome["refined"].any() and (outcome["gain"] == 0).all()


def test_the_best_of_several_judges_is_the_one_that_gains_most() -> None:
    made = [Rule("a", (Condition("moved", 1, 0.0),), gained) for gained in (1.0, 3.0, 2.0)]
    fits = [lambda _, one=one: one for one in made]
    assert best_of([*fits, lambda _: None])(pd.DataFrame()) is made[1]
    both = pd.DataFrame({"candidate": ["a", "b"], "gain": [1.0, 2.0]})
    picked = each_candidate(lambda part: Rule(part["candidate"].iloc[0], (), float(part["gain"].iloc[0])))(both)
    assert picked is not None and picked.candidate == "b"


def test_today_s_guard_takes_the_densest_of_what_it_accepts(rows: pd.DataFrame) -> None:
    accepted = rows.assign(guard=(rows["candidate"] == "bad") & (rows["changed"] > 0))
    outcome = fixed_outcomes(accepted)["today's guard, all candidates"]
    assert not outcome["folder"].duplicated().any() and outcome["refined"].any()
    assert (outcome["gain"] == np.where(outcome["refined"], -5.0, 0.0)).all()


def test_what_is_let_loose_is_of_real_folders_without_a_bias_and_of_both_parts(rows: pd.DataFrame) -> None:
    names = {"good": "home mean", "bad": "uniform mix"}
    regimes = np.array(REGIMES)[rows["folder"] // 2 % len(REGIMES)]
    named = rows.replace({"candidate": names}).assign(bias=rows["folder"] % 2 * 0.15, regime=regimes)
    found = let_loose_without_bias(named)
    assert found["home mean, half"].empty
    for own in (found["home mean"], found["uniform mix"]):
        assert set(own["kind"]) == {"real"} and set(own["bias"]) == {0} and own["refined"].all()
        assert set(own["part"]) == {"tuning", "reserved"}
        assert tuple(own["regime"].unique()) == REGIMES
    assert (found["uniform mix"]["gain"] == -5).all()


def test_folders_as_they_come_have_neither_noise_nor_projection_nor_bias(rows: pd.DataFrame) -> None:
    qualities = np.array(["knowledge", "knowledge, noised", "knowledge, projected", "class-name"])
    made = rows.assign(quality=qualities[rows["folder"] % 4], bias=rows["folder"] // 4 % 2 * 0.3)
    found = as_they_come(made)
    assert set(found["quality"]) == {"knowledge", "class-name"} and set(found["bias"]) == {0}
    assert set(found["kind"]) == {"real"} and len(found) == len(made[made["kind"] == "real"]) / 4
