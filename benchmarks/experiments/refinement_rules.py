"""Judges: rules that take the labels of a candidate for a folder, or leave it with its text labels.

A rule is fitted on tuning folders: of all thresholds with which none of these loses more than is allowed, it takes
those with which real folders gain most. Rows are those of `refinement_evidence.evidence_rows`.

Letters: R rows, one for each folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from zsderm.benchmarks.experiments.refinement_evidence import EVIDENCE

LEVELS = 24  # thresholds of each evidence that two of them are tried with
SLACK = 1e-9
Accepts = Callable[[pd.DataFrame], NDArray[np.bool_]]


@dataclass(frozen=True)
class Condition:
    """An evidence that must be at least, or at most, some value."""

    column: str
    sign: int  # 1: at least, -1: at most
    threshold: float

    def holds(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """(R,) where it holds; nowhere that the evidence is missing."""
        return np.asarray(self.sign * rows[self.column].to_numpy(float) >= self.sign * self.threshold)

    def __str__(self) -> str:
        return f"{self.column} {'>=' if self.sign > 0 else '<='} {self.threshold:.3g}"


@dataclass(frozen=True)
class Rule:
    """Take one candidate where all conditions hold."""

    candidate: str
    conditions: tuple[Condition, ...]
    gained: float  # sum over real tuning folders, points

    def accepts(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """(R,) of rows of its candidate."""
        return np.logical_and.reduce([one.holds(rows) for one in self.conditions])

    def __str__(self) -> str:
        return f"{self.candidate}, where {' and '.join(map(str, self.conditions))}"


@dataclass(frozen=True)
class Regression:
    """Take one candidate where a logistic regression over all evidence says that it hardly loses."""

    candidate: str
    model: Pipeline
    threshold: float  # of the log odds that the folder does not lose
    gained: float

    def accepts(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """(R,) of rows of its candidate."""
        return np.asarray(self.model.decision_function(_filled(rows)) >= self.threshold)

    def __str__(self) -> str:
        return f"{self.candidate}, where the log odds of no loss are at least {self.threshold:.3g}"


def allowed_losses(rows: pd.DataFrame, nothing: bool) -> NDArray[np.float64]:
    """(R,) points that each folder may lose: none, or a point or one image, whichever is more."""
    return np.zeros(len(rows)) if nothing else rows["bound"].to_numpy(float)


def best_single(rows: pd.DataFrame, column: str, nothing: bool = False) -> Rule | None:
    """The safe threshold of one evidence with the largest gain; None where no safe one gains.

    Args:
        rows: (R,) of one candidate.
        column: the evidence.
        nothing: whether a tuning folder may lose nothing at all, or up to its bound.
    """
    rules = [_single(rows, column, sign, nothing) for sign in (1, -1)]
    return max((one for one in rules if one), key=lambda one: one.gained, default=None)


def _single(rows: pd.DataFrame, column: str, sign: int, nothing: bool) -> Rule | None:
    found = safe_threshold(sign * rows[column].to_numpy(float), rows, nothing)
    if found is None:
        return None
    return Rule(str(rows["candidate"].iloc[0]), (Condition(column, sign, sign * found[0]),), found[1])


def safe_threshold(scores: NDArray[np.float64], rows: pd.DataFrame, nothing: bool) -> tuple[float, float] | None:
    """The least score to ask for, and the sum of gains of real folders that reach it.

    Args:
        scores: (R,); NaN is never accepted.
        rows: (R,).
        nothing: see `best_single`.

    Returns:
        None where no threshold is safe and gains.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(scores[order])]
    ranked, gains = scores[order], rows["gain"].to_numpy(float)[order]
    real = (rows["kind"] == "real").to_numpy()[order]
    safe = np.logical_and.accumulate(gains >= -allowed_losses(rows, nothing)[order] - SLACK)
    last = np.append(ranked[:-1] > ranked[1:], True)[: len(ranked)]  # equal scores are accepted together
    totals = np.where(safe & last, np.cumsum(gains * real), 0.0)
    if not len(totals) or totals.max() <= 0:
        return None
    best = int(totals.argmax())
    return float(ranked[best]), float(totals[best])


def best_pair(rows: pd.DataFrame, nothing: bool = False, columns: Iterable[str] = EVIDENCE) -> Rule | None:
    """The two evidences with the largest gain on tuning folders of those that are safe there.

    Args:
        rows: (R,) of one candidate.
        nothing: see `best_single`.
        columns: of the evidence.
    """
    gains = rows["gain"].to_numpy(float)
    counted = gains * (rows["kind"] == "real").to_numpy()
    harmed = (gains < -allowed_losses(rows, nothing) - SLACK).astype(float)
    sides = [(name, sign) for name in columns for sign in (1, -1)]
    graded = [_graded(sign * rows[name].to_numpy(float)) for name, sign in sides]
    best, found = 0.0, None
    for one, other in combinations(range(len(sides)), 2):
        places = graded[one][1] * (LEVELS + 1) + graded[other][1]
        total, harm = (_reached(places, values) for values in (counted, harmed))
        total = np.where(harm < 0.5, total, 0.0)[1:, 1:]  # level 0 is below every threshold, or missing
        if total.max() > best + SLACK:
            best = float(total.max())
            at = np.unravel_index(int(total.argmax()), total.shape)
            levels = (graded[one][0][at[0]], graded[other][0][at[1]])
            found = tuple(
                Condition(*sides[side], sides[side][1] * float(level))
                for side, level in zip((one, other), levels, strict=True)
            )
    return None if found is None else Rule(str(rows["candidate"].iloc[0]), found, best)


def _graded(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(LEVELS,) thresholds, rising, and (R,) how many of them each score reaches; 0 where it is missing."""
    known = scores[np.isfinite(scores)]
    if not len(known):
        return np.full(LEVELS, np.inf), np.zeros(len(scores), dtype=np.int64)
    levels = np.quantile(known, np.linspace(0, 1, LEVELS, endpoint=False), method="higher")
    return levels, np.where(np.isfinite(scores), np.searchsorted(levels, scores, side="right"), 0)


def _reached(places: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(LEVELS + 1, LEVELS + 1) sums of the values of rows that reach each pair of levels."""
    grid = np.bincount(places, weights=values, minlength=(LEVELS + 1) ** 2).reshape(LEVELS + 1, LEVELS + 1)
    return grid[::-1, ::-1].cumsum(axis=0).cumsum(axis=1)[::-1, ::-1]


def best_regression(rows: pd.DataFrame, nothing: bool = False) -> Regression | None:
    """A logistic regression of "the folder loses nothing" on all evidence, and its safe threshold.

    Args:
        rows: (R,) of one candidate.
        nothing: see `best_single`.
    """
    kept = rows["gain"].to_numpy(float) >= -SLACK
    if kept.all() or not kept.any():
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=300))
    model.fit(_filled(rows), kept)
    found = safe_threshold(model.decision_function(_filled(rows)), rows, nothing)
    return None if found is None else Regression(str(rows["candidate"].iloc[0]), model, *found)


def _filled(rows: pd.DataFrame) -> NDArray[np.float64]:
    """(R, E) the evidence, and whether home is known; 0 where something is missing."""
    values = rows[list(EVIDENCE)].to_numpy(float)
    return np.column_stack([np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0), np.isnan(rows["familiarity"])])


def of_candidates(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of each candidate, which are one for each folder."""
    return (part for _, part in rows.groupby("candidate", sort=False))
