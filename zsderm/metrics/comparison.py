"""Two methods on the same images: how much better is one, and could it be chance?"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsderm.errors import InputError
from zsderm.metrics.figures import balanced_accuracy, macro_f1
from zsderm.metrics.intervals import RESAMPLES, bootstrap, count_units, interval
from zsderm.metrics.summary import checked, one_per_image


@dataclass(frozen=True)
class Difference:
    """Second method minus first, in shares; NaN bounds where there are fewer than two units."""

    value: float
    low: float  # 95 % paired bootstrap interval
    high: float
    p: float  # two-sided: twice the share of resamples on the other side of zero, (count + 1) / (R + 1), at most 1


@dataclass(frozen=True)
class Comparison:
    """How a second method differs from a first on the images that both answered."""

    n: int
    units: int  # what the bootstrap draws: patients or lesions where they are known, else the n images
    accuracy: Difference
    balanced_accuracy: Difference
    macro_f1: Difference

    def to_dict(self) -> dict[str, object]:
        """The differences by name, ready for JSON: an undefined figure is None."""
        rows = asdict(self)
        for name in ("accuracy", "balanced_accuracy", "macro_f1"):
            rows[name] = {key: None if math.isnan(value) else value for key, value in rows[name].items()}
        return rows


def compare(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Set two methods side by side: every resample draws the same images, or patients, for both.

    Args:
        labels: (N,) int, the index of the true class of each image.
        first: (N, C) float, probabilities of the method that is the yardstick.
        second: (N, C) float, probabilities of the other one.
        clusters: (N,) names of what the images belong to; see `zsderm.metrics.evaluate`.
        rng: source of randomness; by default seeded with 0, so that figures repeat.
        resamples: R.

    Returns:
        Second minus first, over the images that have a prediction of both. Swapping the two turns every sign and
        leaves every p as it is.

    Raises:
        InputError: shapes that disagree, a label out of range, or no image that both answered.
    """
    true, before = checked(labels, first)
    _, after = checked(labels, second)
    if before.shape != after.shape:
        raise InputError(f"expected both methods over the same classes, but got {before.shape} and {after.shape}")
    both = ~np.isnan(before + after).any(axis=1)
    if not both.any():
        raise InputError(f"expected images that both methods answered, but there is none among {len(true)}")
    units = None if clusters is None else one_per_image("clusters", clusters, len(true))[both]
    true, answers = true[both], [before[both].argmax(axis=1), after[both].argmax(axis=1)]
    old, new = bootstrap(true, answers, before.shape[1], clusters=units, rng=rng, resamples=resamples)
    gains = {
        "accuracy": float((answers[1] == true).mean() - (answers[0] == true).mean()),
        "balanced_accuracy": balanced_accuracy(true, answers[1]) - balanced_accuracy(true, answers[0]),
        "macro_f1": macro_f1(true, answers[1]) - macro_f1(true, answers[0]),
    }
    drawn = {name: getattr(new, name) - getattr(old, name) for name in gains}
    return Comparison(
        n=len(true),
        units=count_units(units, len(true)),
        **{name: Difference(gains[name], *interval(drawn[name]), _p(drawn[name])) for name in gains},
    )


def _p(differences: NDArray[np.float64]) -> float:
    """Twice the share of resampled differences that are not on the more frequent side of zero; at most 1."""
    if np.isnan(differences).any():
        return float("nan")
    other = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (other + 1) / (len(differences) + 1)))
