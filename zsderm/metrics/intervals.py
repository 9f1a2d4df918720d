"""How sure a figure is: the bootstrap, over images or over the patients they belong to.

Images of one patient resemble each other, so where patients are known they are drawn, each with all its images. Units
that count alike are drawn together by one multinomial, so that a resample costs a few counts and not N lookups, and no
interval depends on the order or the names of the units.

Letters: N images, C classes, U units, P kinds of units that count alike, R resamples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2_000
LEVELS = (0.025, 0.975)  # of a 95 % percentile interval
_AT_ONCE = 4_000_000  # counts drawn at a time, 32 MB


@dataclass(frozen=True, eq=False)
class Resamples:
    """The figures of one method in every resample; (R,) float64 each."""

    accuracy: NDArray[np.float64]
    balanced_accuracy: NDArray[np.float64]  # over the classes that occur in the resample
    macro_f1: NDArray[np.float64]  # over the classes that occur or were predicted in the resample
    macro_precision: NDArray[np.float64]  # likewise
    macro_recall: NDArray[np.float64]  # likewise


def bootstrap(
    true: NDArray[np.int_],
    answers: Sequence[NDArray[np.int_]],
    class_count: int,
    *,
    clusters: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
) -> list[Resamples]:
    """Draw units with replacement, R times, and compute the figures of every method on each draw.

    Args:
        true: (N,) int, 0 to C - 1.
        answers: for each method (N,) int, the class it named; all methods see the same draws.
        class_count: C.
        clusters: (N,) names, equal for images that belong together (one patient); empty, None or NaN for an image that
            belongs to nothing. None: every image is a unit.
        rng: source of randomness; by default seeded with 0, so that intervals repeat.
        resamples: R.

    Returns:
        One `Resamples` per method; NaN throughout where there are fewer than two units. No draw depends on the order
        of the images or the names of the units.
    """
    kinds = _kinds_of_units(np.stack([true, *answers], axis=1), clusters)
    units = np.array(list(kinds.values()))
    if units.sum() < 2:
        nothing = np.full(resamples, np.nan)
        return [Resamples(*[nothing] * 5) for _ in answers]
    counts = _counts(list(kinds), len(answers), class_count)  # (1 + 2 A, P, C)
    totals = _draw(counts, units, rng or np.random.default_rng(0), resamples)  # (1 + 2 A, R, C)
    present, hits, named = totals[0], totals[1::2], totals[2::2]
    return [_figures(present, hit, name) for hit, name in zip(hits, named, strict=True)]


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % percentile interval of (R,) resampled figures; NaN without any. A resample with NaN does not count."""
    known = values[~np.isnan(values)]
    low, high = np.quantile(known, LEVELS) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


def accuracy_interval(
    correct: NDArray[np.bool_], rng: np.random.Generator, resamples: int = 10_000
) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the accuracy over images.

    The sum of n draws with replacement from zeros and ones is binomial, so the resamples are drawn directly.
    """
    return interval(rng.binomial(len(correct), correct.mean(), size=resamples) / len(correct))


def count_units(clusters: ArrayLike | None, images: int) -> int:
    """U: how many units the bootstrap draws from."""
    return images if clusters is None else len(np.unique(unit_of(clusters)))


def names_of(values: ArrayLike) -> list[str]:
    """N names without the blanks around them; an empty string for None and NaN."""
    return ["" if value is None or _is_nan(value) else str(value).strip() for value in np.asarray(values, object)]


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def unit_of(clusters: ArrayLike) -> NDArray[np.int_]:
    """(N,) int, the same for images that belong together; an image without a group is a group of its own."""
    names = names_of(clusters)
    known = {name: index for index, name in enumerate(dict.fromkeys(filter(None, names)))}
    return np.array([known[name] if name else len(known) + row for row, name in enumerate(names)], dtype=np.int_)


def _kinds_of_units(images: NDArray[np.int_], clusters: ArrayLike | None) -> dict[tuple[tuple[int, ...], ...], int]:
    """How many units there are of each kind; a kind is the sorted (true, answer, ...) rows of a unit's images."""
    if clusters is None:
        rows, counts = np.unique(images, axis=0, return_counts=True)
        return {(tuple(row),): count for row, count in zip(rows.tolist(), counts.tolist(), strict=True)}
    members: dict[int, list[tuple[int, ...]]] = {}
    for unit, row in zip(unit_of(clusters).tolist(), images.tolist(), strict=True):
        members.setdefault(unit, []).append(tuple(row))
    return dict(sorted(Counter(tuple(sorted(rows)) for rows in members.values()).items()))


def _counts(kinds: Sequence[tuple[tuple[int, ...], ...]], methods: int, class_count: int) -> NDArray[np.float64]:
    """(1 + 2 A, P, C): images of each class in a unit of each kind; then, method by method, hits and answers."""
    which = np.repeat(np.arange(len(kinds)), [len(kind) for kind in kinds])
    rows = np.array([row for kind in kinds for row in kind])  # (true, answer, ...) per image
    counts = np.zeros((1 + 2 * methods, len(kinds), class_count))
    np.add.at(counts[0], (which, rows[:, 0]), 1)
    for method in range(methods):
        answer = rows[:, 1 + method]
        np.add.at(counts[1 + 2 * method], (which, answer), answer == rows[:, 0])
        np.add.at(counts[2 + 2 * method], (which, answer), 1)
    return counts


def _draw(
    counts: NDArray[np.float64], units: NDArray[np.int_], rng: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    """(1 + 2 A, R, C): the counts summed over U units drawn with replacement, R times."""
    block = max(1, _AT_ONCE // len(units))
    sizes = [min(block, resamples - start) for start in range(0, resamples, block)]
    draws = (rng.multinomial(units.sum(), units / units.sum(), size=size).astype(np.float64) for size in sizes)
    return np.concatenate([draw @ counts for draw in draws], axis=1)


def _figures(present: NDArray[np.float64], hits: NDArray[np.float64], named: NDArray[np.float64]) -> Resamples:
    """The figures from (R, C) counts of true images, hits and answers."""
    occurs, counts = present > 0, present + named > 0
    recall = np.divide(hits, present, out=np.zeros_like(hits), where=occurs)
    f1 = np.divide(2 * hits, present + named, out=np.zeros_like(hits), where=counts)
    precision = np.divide(hits, named, out=np.zeros_like(hits), where=named > 0)
    return Resamples(
        accuracy=hits.sum(axis=1) / present.sum(axis=1),
        balanced_accuracy=recall.sum(axis=1) / occurs.sum(axis=1),
        macro_f1=f1.sum(axis=1) / counts.sum(axis=1),
        macro_precision=precision.sum(axis=1) / counts.sum(axis=1),
        macro_recall=recall.sum(axis=1) / counts.sum(axis=1),
    )
