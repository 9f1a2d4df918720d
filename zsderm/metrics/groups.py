"""The same figures for each group of people or pictures, and how far the groups are apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsderm.metrics.intervals import RESAMPLES, names_of
from zsderm.metrics.summary import Metrics, checked, evaluate, one_per_image

LEAST = 20  # images: the interval of an accuracy on fewer is wider than forty points
AGE_COLUMNS = ("age", "age_approx", "age_years", "age_in_years", "patient_age")  # what tables call an age in years
AGE_BANDS = ((0, 29), (30, 49), (50, 69), (70, 120))  # years, both ends included


@dataclass(frozen=True)
class Grouping:
    """The figures of each group, by name, in the order of the names.

    ``gap_by_chance`` and ``p`` say what shuffling the images over the groups would give: groups of different size and
    few images differ without any cause. They do not know which images belong to one patient.
    """

    groups: Mapping[str, Metrics]
    unknown: int  # images whose group is not known; in no group
    of_unknown: Metrics | None  # the figures of these images; None where there are none
    unanswered: Mapping[str, int]  # groups none of whose images has a prediction, and how many images these have
    least: int  # a group with fewer images does not count for the gap
    gap_by_chance: float  # mean gap of the accuracy if the groups made no difference
    p: float  # how often chance alone gives a gap of the accuracy as large as this

    def gap(self, figure: str = "accuracy") -> float:
        """The best minus the worst group among those with at least ``least`` images; NaN with fewer than two."""
        values = [getattr(group, figure) for group in self.groups.values() if group.n >= self.least]
        return max(values) - min(values) if len(values) > 1 else float("nan")

    def to_dict(self) -> dict[str, object]:
        """Groups and gaps, ready for JSON: an undefined figure is None."""
        gaps = {name: _defined(self.gap(name)) for name in ("accuracy", "balanced_accuracy", "calibration_error")}
        chance = {"gap_by_chance": _defined(self.gap_by_chance), "p": _defined(self.p)}
        groups = {name: group.to_dict() for name, group in self.groups.items()}
        of_unknown = None if self.of_unknown is None else self.of_unknown.to_dict()
        return {
            "least": self.least,
            "unknown": self.unknown,
            "gap": gaps,
            **chance,
            "groups": groups,
            "of_unknown": of_unknown,
            "unanswered": dict(self.unanswered),
        }


def by_group(
    labels: ArrayLike,
    probabilities: ArrayLike,
    groups: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    named_only: bool = False,
    least: int = LEAST,
    resamples: int = RESAMPLES,
) -> Grouping:
    """Evaluate each group by itself.

    The mix of classes differs from group to group, and so does how hard they are: read the gap of the balanced accuracy
    beside that of the accuracy, and both beside n.

    Args:
        labels: (N,) int, the index of the true class of each image.
        probabilities: (N, C) float; a row with NaN is an image without a prediction.
        groups: (N,) names; empty, None or NaN where the group is not known.
        clusters: (N,) names of what the images belong to; see `zsderm.metrics.evaluate`.
        named_only: see `zsderm.metrics.evaluate`.
        least: images that a group needs to count for the gap.
        resamples: R.

    Returns:
        Figures for every group that has an image with a prediction; none depends on the order of the images.
    """
    true, scores = checked(labels, probabilities)
    names = np.array(names_of(one_per_image("groups", groups, len(true))))
    units = None if clusters is None else one_per_image("clusters", clusters, len(true))
    classified = ~np.isnan(scores).any(axis=1)
    found = {}
    for name in sorted(set(names[classified].tolist())):
        rows = names == name
        part = None if units is None else units[rows]
        found[name] = evaluate(true[rows], scores[rows], clusters=part, named_only=named_only, resamples=resamples)
    of_unknown = found.pop("", None)
    unanswered = Counter(names[~np.isin(names, names[classified])].tolist())
    sizes = [group.n for group in found.values() if group.n >= least]
    hits = [round(group.accuracy * group.n) for group in found.values() if group.n >= least]
    by_chance, p = _gap_of_chance(np.array(sizes), np.array(hits), resamples)
    silent = {name: unanswered[name] for name in sorted(unanswered) if name}
    return Grouping(found, int((names[classified] == "").sum()), of_unknown, silent, least, by_chance, p)


def age_bands(ages: ArrayLike) -> NDArray[np.str_]:
    """(N,) names of age bands such as "30–49"; empty where the age is missing or no age in years."""
    years = np.asarray(ages, dtype=np.float64)
    bands = np.full(years.shape, "", dtype="<U8")
    for low, high in AGE_BANDS:
        bands[(years >= low) & (years < high + 1)] = f"{low}+" if high == AGE_BANDS[-1][1] else f"{low}–{high}"
    return bands


def _gap_of_chance(sizes: NDArray[np.int_], hits: NDArray[np.int_], resamples: int) -> tuple[float, float]:
    """The mean gap when the hits fall on the groups at random, and how often it reaches the gap that is there."""
    if len(sizes) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    shares = rng.multivariate_hypergeometric(sizes, hits.sum(), size=resamples, method="marginals") / sizes  # (R, G)
    gaps = shares.max(axis=1) - shares.min(axis=1)
    there = (hits / sizes).max() - (hits / sizes).min()
    return float(gaps.mean()), float(((gaps >= there - 1e-12).sum() + 1) / (resamples + 1))


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
