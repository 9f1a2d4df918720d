"""Abstention: how familiar an image looks, and a threshold that withholds a stated share of answers.

Letters: N images, C classes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from zsderm.arrays import Array, check_positive, float_rows, probability_rows
from zsderm.errors import FallbackWarning, SettingsError, did_you_mean
from zsderm.stored_json import fields_of
from zsderm.wording import agrees

FAMILIARITIES = ("energy", "max-probability", "margin")  # the best of benchmarks/experiments/calibration.py first
_ROUNDING = 1e-9


@dataclass(frozen=True)
class AbstentionThreshold:
    """Below which familiarity an answer is withheld."""

    score: str  # one of FAMILIARITIES
    threshold: float  # minus infinity: no answer is withheld
    rate: float  # largest share of answers to known classes that is withheld, as asked for
    n: int  # calibration images
    temperature: float = 1.0  # of "energy", in units of cosine; the other scores do not use it

    @property
    def reads(self) -> str:
        """What the score is computed from: "scores", (N, C) cosines, or "probabilities"."""
        return "scores" if self.score == "energy" else "probabilities"

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON: an infinite threshold is None."""
        return {
            "score": self.score,
            "threshold": None if math.isinf(self.threshold) else self.threshold,
            "rate": self.rate,
            "n": self.n,
            "temperature": self.temperature,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> AbstentionThreshold:
        """Read what `to_dict` wrote.

        Raises:
            SettingsError: fields that are missing or mean nothing.
        """
        try:
            stored = fields_of(cls, {**fields, "threshold": 0.0} if _never_withholds(fields) else fields)
        except ValueError as error:
            raise SettingsError(
                f"Expected the fields of an abstention threshold, but one is amiss: {error}."
            ) from error
        threshold = -math.inf if _never_withholds(fields) else float(stored["threshold"])
        found = cls(**{**stored, "threshold": threshold})
        _check_familiarity(found.score)
        check_positive(temperature=found.temperature)
        if not 0 <= found.rate < 1 or found.n < 0:
            raise SettingsError(f"Expected a threshold and a rate from 0 to below 1, but got {dict(fields)}.")
        return found


def _never_withholds(fields: Mapping[str, Any]) -> bool:
    """Whether the threshold was written as null, for minus infinity."""
    return isinstance(fields, Mapping) and "threshold" in fields and fields["threshold"] is None


def familiarity(table: Array, score: str, temperature: float = 1.0) -> torch.Tensor:
    """How much an image looks like any of the classes; larger means more familiar.

    Probabilities only compare the classes with each other. Cosines also say how near an image is to any of them, which
    is why energy finds unknown classes better (docs/calibration.md).

    Args:
        table: (N, C) cosines for "energy", temperature * logsumexp(cosines / temperature); (N, C) probabilities for
            "max-probability", the largest, and "margin", the lead of the largest over the second (which one class
            has over none). A row with NaN is an image without an answer.
        score: one of FAMILIARITIES.
        temperature: of "energy", in units of cosine.

    Returns:
        (N,) float64; NaN for an image without an answer.

    Raises:
        SettingsError: a score that is not known, or a table that is no probabilities where they are needed.

    Source: largest probability: Hendrycks and Gimpel 2017; energy: Liu et al. 2020, equation 4, with its sign turned.
    """
    _check_familiarity(score)
    if score == "energy":
        check_positive(temperature=temperature)
        return temperature * torch.logsumexp(float_rows(table, "scores", gaps=True) / temperature, dim=1)
    rows = probability_rows(table, gaps=True)
    if score == "max-probability" or rows.shape[1] == 1:
        return rows.amax(dim=1)
    best = rows.topk(2, dim=1).values  # (N, 2)
    return best[:, 0] - best[:, 1]


def threshold_for_rate(familiarities: Array, rate: float) -> float:
    """The familiarity below which a stated share of answers to known classes is withheld.

    It is the floor((n + 1) * rate)-th smallest of the n familiarities. An unseen image of the known classes that is
    exchangeable with the calibration images falls below it with probability `rate` or less. Labels are not needed.
    Which share of images of unknown classes it withholds is not guaranteed and has to be measured.

    Args:
        familiarities: (n,) of calibration images, all of them of known classes.
        rate: from 0 to below 1.

    Returns:
        The threshold; minus infinity where no answer is to be withheld.

    Raises:
        SettingsError: NaN, no image, or a rate out of range.

    Warns:
        FallbackWarning: fewer than 1 / rate - 1 images, so that nothing can be withheld.
    """
    values = torch.as_tensor(familiarities).detach().to("cpu", torch.float64)
    if values.ndim != 1 or len(values) == 0 or not values.isfinite().all():
        raise SettingsError(
            f"Expected finite familiarities of at least one image, but got shape {tuple(values.shape)} with "
            f"{int((~values.isfinite()).sum())} that are not finite. Leave out what could not be read."
        )
    if not 0 <= rate < 1:
        raise SettingsError(f"Expected rate to be from 0 to below 1, such as 0.05, but got {rate}.")
    rank = math.floor((len(values) + 1) * rate + _ROUNDING)
    if rank == 0:
        if rate > 0:
            warnings.warn(
                f"Withholding {rate:.1%} of answers needs at least {math.ceil(1 / rate - 1 - _ROUNDING)} calibration "
                f"images, but there {agrees(len(values), 'is', 'are')} {len(values)}: no answer is withheld. Label "
                "more images, or withhold a larger share.",
                FallbackWarning,
                stacklevel=2,
            )
        return -math.inf
    return values.sort().values[rank - 1].item()


def fit_abstention(table: Array, rate: float, *, score: str, temperature: float = 1.0) -> AbstentionThreshold:
    """Choose the threshold of a score from calibration images of known classes.

    Args:
        table: (N, C) cosines or probabilities, see `familiarity`, or (N,) what it made of them; without NaN.
        rate: share of answers to known classes to withhold, see `threshold_for_rate`.
        score: one of FAMILIARITIES.
        temperature: of "energy", in units of cosine.

    Returns:
        The threshold, with what is needed to apply it.

    Raises:
        SettingsError: a table or setting that cannot be used.
    """
    values = _familiarities(table, score, temperature)
    return AbstentionThreshold(score, threshold_for_rate(values, rate), rate, len(values), temperature)


def abstain(table: Array, abstention: AbstentionThreshold) -> torch.Tensor:
    """(N,) bool: which answers are withheld. An image without an answer counts as withheld.

    Args:
        table: (N, C) of what `abstention.reads` names, or (N,) what `familiarity` made of it.
        abstention: from `fit_abstention`.
    """
    values = _familiarities(table, abstention.score, abstention.temperature)
    return ~(values >= abstention.threshold)


def _familiarities(table: Array, score: str, temperature: float) -> torch.Tensor:
    values = torch.as_tensor(table)
    if values.ndim != 1:
        return familiarity(table, score, temperature)
    _check_familiarity(score)
    return values.detach().to("cpu", torch.float64)


def _check_familiarity(score: str) -> None:
    if score not in FAMILIARITIES:
        raise SettingsError(
            f"Expected score to be one of {', '.join(FAMILIARITIES)}, but got {score!r}."
            f"{did_you_mean(score, FAMILIARITIES)}"
        )
