"""What candidates and judges make of reserved folders: by themselves, or with thresholds learned on tuning folders.

Rows are those of `refinement_evidence.evidence_rows`, with a part ("tuning" or "reserved") and a number of the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from zsderm.benchmarks.experiments.refinement_evidence import EVIDENCE
from zsderm.benchmarks.experiments.refinement_folders import REGIMES
from zsderm.benchmarks.experiments.refinement_pools import WORDINGS
from zsderm.benchmarks.experiments.refinement_rules import (
    Regression,
    Rule,
    best_pair,
    best_regression,
    best_single,
    of_candidates,
)

LOSSES = {"bound": False, "no loss": True}  # what a tuning folder may lose: up to its bound, or nothing
LOOSE = ("home mean, half", "home mean", "uniform mix")  # of interest to one who has no judge
Judge = Rule | Regression
Fit = Callable[[pd.DataFrame], Judge | None]


def groups(rows: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Reserved rows with the tuning rows for them: of no source and no encoder that these are of."""
    tuning, reserved = (rows[rows["part"] == part] for part in ("tuning", "reserved"))
    for (encoder, source), own in reserved.groupby(["encoder", "source"], sort=False):
        other = (tuning["encoder"] != encoder) & (tuning["source"] != source)
        yield tuning[other | (tuning["kind"] == "synthetic")], own


def judged(rows: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    """One row for each reserved folder: what a judge, fitted anew for each group, makes of it."""
    found = []
    for tuning, own in groups(rows):
        rule = fit(tuning)
        of = own[own["candidate"] == (rule.candidate if rule else own["candidate"].iloc[0])]
        found.append(_outcome(of, rule.accepts(of) if rule else np.zeros(len(of), dtype=bool)))
    return pd.concat(found)


def _outcome(rows: pd.DataFrame, accepted: Any) -> pd.DataFrame:
    """Rows of which those that are not accepted gain nothing."""
    kept = {name: np.where(accepted, rows[name], 0.0) for name in ("gain", "balanced gain")}
    return rows.assign(refined=accepted, **kept)


def best_of(fits: Iterable[Fit]) -> Fit:
    """The judge that gains most on the tuning folders."""
    several = list(fits)
    return lambda rows: max((one for fit in several if (one := fit(rows))), key=lambda one: one.gained, default=None)


def each_candidate(fit: Fit) -> Fit:
    """The same judge for the candidate with which it gains most on the tuning folders."""
    return lambda rows: max(
        (one for part in of_candidates(rows) if (one := fit(part))), key=lambda one: one.gained, default=None
    )


def let_loose(rows: pd.DataFrame) -> Rule:
    """The candidate that gains most on real tuning folders, without a judge."""
    totals = rows[rows["kind"] == "real"].groupby("candidate", sort=False)["gain"].sum()
    return Rule(str(totals.idxmax()), (), float(totals.max()))


def singles(nothing: bool) -> dict[str, Fit]:
    """A judge for each evidence alone."""
    return {name: partial(best_single, column=name, nothing=nothing) for name in EVIDENCE}


def families(nothing: bool) -> dict[str, Fit]:
    """The kinds of learned judges; candidate, evidence and thresholds are all chosen on tuning folders."""
    return {
        "one evidence": each_candidate(best_of(singles(nothing).values())),
        "two evidences": each_candidate(partial(best_pair, nothing=nothing)),
        "regression": each_candidate(partial(best_regression, nothing=nothing)),
    }


def fixed_outcomes(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What needs no tuning: an oracle, "auto", and today's guard with more candidates."""
    reserved = rows[rows["part"] == "reserved"]
    tried = reserved[reserved["candidate"] != "auto"]
    densest = tried[tried["guard"]].sort_values("density over text", ascending=False).drop_duplicates("folder")
    others = tried[~tried["folder"].isin(densest["folder"])].drop_duplicates("folder")
    guarded = pd.concat([densest, others])
    best = tried.sort_values("gain", ascending=False, kind="stable").drop_duplicates("folder")
    auto = reserved[reserved["candidate"] == "auto"]
    return {
        "oracle: the best candidate of each folder": _outcome(best, best["gain"] > 0),
        "auto as it is": _outcome(auto, auto["guard"]),
        "today's guard, all candidates": _outcome(guarded, guarded["guard"]),
    }


def outcomes(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The reserved folders under the best judge of each kind."""
    found = fixed_outcomes(rows) | {"no judge, best candidate": judged(rows[rows["candidate"] != "auto"], let_loose)}
    tried = rows[rows["candidate"] != "auto"]
    for words, nothing in LOSSES.items():
        found |= {f"{name}, {words}": judged(tried, fit) for name, fit in families(nothing).items()}
    return found


def as_they_come(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of real folders without an added bias, of features and wordings that nothing was done to."""
    return rows[(rows["kind"] == "real") & (rows["bias"] == 0) & rows["quality"].isin(WORDINGS)]


def let_loose_without_bias(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Candidates without a judge in all real folders without an added bias: nothing was tuned, so of both parts.

    Regimes are in the order of REGIMES.
    """
    real = rows[(rows["kind"] == "real") & (rows["bias"] == 0)].sort_values("folder", kind="stable")
    real = real.sort_values("regime", key=lambda names: names.map(REGIMES.index), kind="stable")
    found = {name: real[real["candidate"] == name] for name in LOOSE}
    return {name: _outcome(own, np.ones(len(own), dtype=bool)) for name, own in found.items()}


def single_outcomes(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The reserved folders under each candidate alone, by itself and judged, and under each evidence alone."""
    tried, found = rows[rows["candidate"] != "auto"], {}
    for name, own in tried.groupby("candidate", sort=False):
        reserved = own[own["part"] == "reserved"]
        found[f"{name}: no judge"] = _outcome(reserved, np.ones(len(reserved), dtype=bool))
        found[f"{name}: today's guard"] = _outcome(reserved, reserved["guard"])
        found[f"{name}: two evidences"] = judged(own, best_pair)
    for name, fit in singles(nothing=False).items():
        found[f"{name}: best candidate"] = judged(tried, each_candidate(fit))
    return found


def rules(rows: pd.DataFrame) -> dict[str, str]:
    """What each kind of judge asks for when it is fitted on all tuning folders."""
    tuning = rows[(rows["part"] == "tuning") & (rows["candidate"] != "auto")]
    return {
        f"{name}, {words}": str(fit(tuning) or "nothing is safe and gains")
        for words, nothing in LOSSES.items()
        for name, fit in families(nothing).items()
    }
