"""Split conformal prediction: sets of classes that hold the true class with a stated probability.

Letters: N images, C classes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from zsderm.arrays import Array, Labels, checked_labels, probability_rows
from zsderm.errors import FallbackWarning, SettingsError, did_you_mean
from zsderm.stored_json import check_kind, check_numbers, fields_of
from zsderm.wording import agrees, counted

SET_SCORES = ("lac", "aps", "raps")
RANK_PENALTY, FREE_RANKS = 0.01, 2  # of "raps": what each class beyond the free ones adds, and how many are free
_ROUNDING = 1e-9  # (n + 1) * coverage may be a whole number that floating point misses by a little


@dataclass(frozen=True)
class ConformalThresholds:
    """The largest score at which a class is still in the set of an image, for each class."""

    coverage: float  # share of images whose set holds the true class, as asked for
    score: str  # one of SET_SCORES
    class_conditional: bool  # whether the coverage was asked for within each class
    thresholds: tuple[float, ...]  # (C,) infinite: too few images to say, so the class is in every set
    counts: tuple[int, ...]  # (C,) calibration images of each class

    @property
    def always_included(self) -> tuple[int, ...]:
        """The classes that are in every set because too few calibration images speak for a threshold."""
        return tuple(index for index, threshold in enumerate(self.thresholds) if math.isinf(threshold))

    def of_classes(self, places: Sequence[int]) -> ConformalThresholds:
        """The same for classes in another order: (C,) where each of them stands here."""
        return replace(
            self,
            thresholds=tuple(self.thresholds[place] for place in places),
            counts=tuple(self.counts[place] for place in places),
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON: an infinite threshold is None."""
        return {
            "coverage": self.coverage,
            "score": self.score,
            "class_conditional": self.class_conditional,
            "thresholds": [None if math.isinf(threshold) else threshold for threshold in self.thresholds],
            "counts": list(self.counts),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ConformalThresholds:
        """Read what `to_dict` wrote.

        Raises:
            SettingsError: fields that are missing or mean nothing.
        """
        try:
            found = fields_of(cls, fields)
            thresholds, counts = found["thresholds"], found["counts"]
            if not isinstance(thresholds, list | tuple) or not isinstance(counts, list | tuple):
                raise ValueError("thresholds or counts are no list")
            if len(thresholds) != len(counts) or not thresholds:
                raise ValueError(
                    f"expected a threshold and a count for every class, but got {len(thresholds)} and {len(counts)}"
                )
            finite = [value for value in thresholds if value is not None]
            check_numbers("thresholds", finite, len(finite), least=0)
            for count in counts:
                check_kind("counts", count, "int")
                if count < 0:
                    raise ValueError(f"expected counts of 0 or more, but got {count}")
        except ValueError as error:
            raise SettingsError(f"Expected the fields of conformal thresholds, but one is amiss: {error}.") from error
        _check_settings(found["coverage"], found["score"])
        return cls(
            float(found["coverage"]),
            found["score"],
            found["class_conditional"],
            tuple(math.inf if value is None else float(value) for value in thresholds),
            tuple(counts),
        )


def fit_conformal(
    probabilities: Array,
    labels: Labels,
    coverage: float = 0.9,
    *,
    score: str = "lac",
    class_conditional: bool = False,
    classes: Sequence[str] = (),
) -> ConformalThresholds:
    """Learn thresholds from labelled images, so that the sets of unseen images hold their true class.

    The threshold is the ceil((n + 1) * coverage)-th smallest score of the n true classes. If an unseen image is
    exchangeable with these (drawn from the same folders, patients and cameras, and neither the encoder nor the texts
    were chosen on these labels), its set holds its true class with probability `coverage` or more: on average over
    calibration sets, whatever the classifier. With `class_conditional` the same holds within each class.

    Args:
        probabilities: (N, C) rows that sum to 1.
        labels: (N,) int, the true class of each image, 0 to C - 1.
        coverage: between 0 and 1.
        score: how implausible a class is for an image. "lac": 1 - p, the smallest sets on average; "aps": the
            probability of all classes that are more probable than it, larger sets where an image is hard; "raps": the
            same plus RANK_PENALTY for each class beyond the first FREE_RANKS, which makes large sets smaller.
        class_conditional: one threshold a class, from its own images alone.
        classes: C names, for the warning.

    Returns:
        The thresholds. They do not depend on the order of the images.

    Raises:
        SettingsError: a table, label or setting that cannot be used.

    Warns:
        FallbackWarning: fewer than coverage / (1 - coverage) images (of a class): it is in every set.

    Source: Vovk et al. 2005; LAC: Sadinle et al. 2019; APS: Romano et al. 2020; RAPS: Angelopoulos et al. 2021;
    class-conditional (Mondrian): Vovk 2012. APS and RAPS here are not randomised and leave the probability of the
    class itself out, so that the most probable class has score 0.
    """
    _check_settings(coverage, score)
    table = probability_rows(probabilities)
    true = checked_labels(labels, table)
    class_count = table.shape[1]
    own_scores = _scores(table, score).gather(1, true[:, None]).flatten()  # (N,)
    counts = torch.bincount(true, minlength=class_count).tolist()
    if class_conditional:
        thresholds = [_quantile(own_scores[true == index], coverage) for index in range(class_count)]
    else:
        thresholds = [_quantile(own_scores, coverage)] * class_count
    found = ConformalThresholds(coverage, score, class_conditional, tuple(thresholds), tuple(counts))
    if found.always_included:
        warnings.warn(_too_few(found, classes), FallbackWarning, stacklevel=2)
    return found


def conformal_sets(probabilities: Array, conformal: ConformalThresholds) -> torch.Tensor:
    """The classes that cannot be ruled out for each image.

    Args:
        probabilities: (N, C) rows that sum to 1, made as those that the thresholds were fitted to. A row with NaN is
            an image without an answer.
        conformal: from `fit_conformal`, for the same C classes in the same order.

    Returns:
        (N, C) bool. A set is never empty: the most probable class is always in it. An image without an answer has no
        class in its set.

    Raises:
        SettingsError: another number of classes, or rows that are no probabilities.
    """
    table = probability_rows(probabilities, gaps=True)
    if table.shape[1] != len(conformal.thresholds):
        raise SettingsError(
            f"Expected the {len(conformal.thresholds)} classes of the calibration, but got {table.shape[1]} columns. "
            "Calibrate with the class list that is used."
        )
    inside = _scores(table, conformal.score) <= torch.tensor(conformal.thresholds, dtype=torch.float64)  # (N, C)
    inside |= table == table.amax(dim=1, keepdim=True)
    return inside & ~table.isnan()


def _scores(table: torch.Tensor, score: str) -> torch.Tensor:
    """(N, C) score of each class for each image; larger means less plausible."""
    if score == "lac":
        return 1 - table
    falling, order = table.sort(dim=1, descending=True, stable=True)
    totals = falling.cumsum(dim=1) - falling  # what stands before each class
    if score == "raps":
        ranks = torch.arange(1, table.shape[1] + 1)
        totals = totals + RANK_PENALTY * (ranks - FREE_RANKS).clamp_min(0)
    return torch.empty_like(table).scatter_(1, order, totals)


def _quantile(scores: torch.Tensor, coverage: float) -> float:
    """The ceil((n + 1) * coverage)-th smallest score; infinite where there is none."""
    rank = math.ceil((len(scores) + 1) * coverage - _ROUNDING)
    return math.inf if rank > len(scores) else scores.sort().values[rank - 1].item()


def _check_settings(coverage: float, score: str) -> None:
    if not 0 < coverage < 1:
        raise SettingsError(f"Expected coverage between 0 and 1, such as 0.9, but got {coverage}.")
    if score not in SET_SCORES:
        raise SettingsError(
            f"Expected score to be one of {', '.join(SET_SCORES)}, but got {score!r}.{did_you_mean(score, SET_SCORES)}"
        )


def _too_few(found: ConformalThresholds, classes: Sequence[str]) -> str:
    least, there = math.ceil(found.coverage / (1 - found.coverage) - _ROUNDING), sum(found.counts)
    if not found.class_conditional:
        return (
            f"Sets that hold the true class in {found.coverage:.1%} of images need at least {least} labelled images, "
            f"but there {agrees(there, 'is', 'are')} {there}: every set holds every class. Label more, or ask for less "
            "coverage."
        )
    named = classes or [f"class {index}" for index in range(len(found.counts))]
    few = ", ".join(f"{named[index]} ({counted(found.counts[index], 'image')})" for index in found.always_included)
    return (
        f"Sets that hold the true class in {found.coverage:.1%} of the images of each class need at least {least} "
        f"labelled images of it. These classes have fewer and are in every set: {few}. Label more of them, or do "
        "without the promise for each class."
    )
