"""The figures of a method that was trained several times: means over the repeats, their spread, and intervals.

A classifier that learns from a few drawn images depends on the draw, and its figures on the images they are measured
on. These are two kinds of chance and are said apart: the spread is over the repeats, on the same test images; the
interval is the bootstrap over the test images, where each resample has the same images for every repeat and the mean is
taken of them.

Letters: N images, C classes, T repeats, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsderm.errors import InputError
from zsderm.metrics.figures import (
    balanced_accuracy,
    calibration_error,
    image_losses,
    log_loss,
    macro_auprc,
    macro_auroc,
    macro_f1,
    macro_precision,
    macro_recall,
    top_k_accuracy,
)
from zsderm.metrics.intervals import RESAMPLES, bootstrap, count_units, interval
from zsderm.metrics.score_intervals import basic_interval, bootstrap_scores, in_order, weights
from zsderm.metrics.summary import checked, one_per_image

Answers = Callable[[NDArray[np.int_], NDArray[np.int_]], float]
Scores = Callable[[NDArray[np.int_], NDArray[np.float64]], float]

OF_ANSWERS: Mapping[str, Answers] = {
    "accuracy": lambda true, predicted: float((true == predicted).mean()),
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "macro_precision": macro_precision,
    "macro_recall": macro_recall,
}
OF_SCORES: Mapping[str, Scores] = {
    "macro_auroc": macro_auroc,
    "macro_auprc": macro_auprc,
    "log_loss": log_loss,
    "calibration_error": lambda true, scores: calibration_error(scores.max(axis=1), scores.argmax(axis=1) == true),
}
WITHOUT_INTERVAL: Mapping[str, Scores] = {
    "top3_accuracy": lambda true, scores: top_k_accuracy(true, scores, 3),
    "top5_accuracy": lambda true, scores: top_k_accuracy(true, scores, 5),
}


@dataclass(frozen=True)
class RepeatedMetrics:
    """The figures of T repeats on the same images; NaN where undefined.

    Attributes:
        n: images with a prediction.
        unclassified: images with a true label but no prediction; left out.
        units: what the bootstrap draws: patients or lesions where they are known, else the n images.
        repeats: T.
        majority_rate: what always answering the commonest class would reach.
        means: by the names of `OF_ANSWERS`, `OF_SCORES` and `WITHOUT_INTERVAL`.
        bounds: 95 % intervals over the test images, for those of the first two.
        spreads: standard deviations over the repeats (divided by T - 1); NaN of one repeat.
    """

    n: int
    unclassified: int
    units: int
    repeats: int
    majority_rate: float
    means: Mapping[str, float]
    bounds: Mapping[str, tuple[float, float]]
    spreads: Mapping[str, float]

    def to_dict(self) -> dict[str, int | float | None]:
        """Names as `Metrics.to_dict` has them, more of them, and NAME_spread; None where undefined."""
        found: dict[str, int | float] = {
            "n": self.n,
            "unclassified": self.unclassified,
            "units": self.units,
            "repeats": self.repeats,
            "majority_rate": self.majority_rate,
        }
        for name, value in self.means.items():
            found[name] = value
            if name in self.bounds:
                found[f"{name}_low"], found[f"{name}_high"] = self.bounds[name]
            found[f"{name}_spread"] = self.spreads[name]
        return {name: None if math.isnan(value) else value for name, value in found.items()}


def evaluate_repeats(
    labels: ArrayLike,
    tables: Sequence[ArrayLike],
    *,
    clusters: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> RepeatedMetrics:
    """Compare the class probabilities of several repeats with the true classes.

    With one repeat the figures and intervals that `zsderm.metrics.evaluate` has too are equal to its figures.

    Args:
        labels: (N,) int, the index of the true class of each image.
        tables: T times (N, C) float, a row with NaN for an image without a prediction, the same ones in all.
        clusters: (N,) names of what the images belong to, see `zsderm.metrics.evaluate`.
        resamples: R; the draws are seeded with 0.

    Raises:
        InputError: there is no repeat, shapes disagree, a label is out of range, or no image has a prediction.
    """
    if not len(tables):
        raise InputError("expected the probabilities of at least one repeat, but got none")
    pairs = [checked(labels, table) for table in tables]
    true, repeats = pairs[0][0], np.stack([scores for _, scores in pairs])  # (N,), (T, N, C)
    units = None if clusters is None else one_per_image("clusters", clusters, len(true))
    known = ~np.isnan(repeats).any(axis=(0, 2))
    if not known.any():
        raise InputError(f"expected at least one image with a prediction, but all {len(true)} are without one")
    true, repeats = true[known], repeats[:, known]
    units = None if units is None else units[known]
    answers = list(repeats.argmax(axis=2))  # T times (N,)
    values = {name: [figure(true, answer) for answer in answers] for name, figure in OF_ANSWERS.items()}
    of_scores = {**OF_SCORES, **WITHOUT_INTERVAL}
    values |= {name: [figure(true, scores) for scores in repeats] for name, figure in of_scores.items()}
    means = {name: float(np.mean(each)) for name, each in values.items()}
    drawn = _resampled(true, answers, list(repeats), units, resamples)
    bounds = {name: interval(each) for name, each in drawn.items()}
    bounds["calibration_error"] = basic_interval(means["calibration_error"], drawn["calibration_error"])
    return RepeatedMetrics(
        n=len(true),
        unclassified=int((~known).sum()),
        units=count_units(units, len(true)),
        repeats=len(repeats),
        majority_rate=float(np.bincount(true).max() / len(true)),
        means=means,
        bounds=bounds,
        spreads={name: float(np.std(each, ddof=1)) if len(each) > 1 else math.nan for name, each in values.items()},
    )


def _resampled(
    true: NDArray[np.int_],
    answers: Sequence[NDArray[np.int_]],
    tables: Sequence[NDArray[np.float64]],
    units: NDArray[np.object_] | None,
    resamples: int,
) -> dict[str, NDArray[np.float64]]:
    """Each figure in R resamples, the mean over the repeats: (R,) each."""
    of_answers = bootstrap(true, answers, tables[0].shape[1], clusters=units, resamples=resamples)
    found = {name: np.mean([getattr(each, name) for each in of_answers], axis=0) for name in OF_ANSWERS}
    sums: dict[str, list[NDArray[np.float64]]] = {}
    for scores in tables:
        old = bootstrap_scores(true, scores, clusters=units, resamples=resamples)
        new = _areas_and_losses(true, scores, units, resamples)
        for name, drawn in {**vars(old), **new}.items():
            sums.setdefault(name, []).append(drawn)
    return found | {name: np.mean(drawn, axis=0) for name, drawn in sums.items()}


def _areas_and_losses(
    true: NDArray[np.int_], scores: NDArray[np.float64], units: NDArray[np.object_] | None, resamples: int
) -> dict[str, NDArray[np.float64]]:
    """Macro area under the precision-recall curve and log loss in R resamples, (R,) each; the draws of the others."""
    order, members = in_order(true, scores, units)
    if members.max(initial=-1) < 1:
        return dict.fromkeys(("macro_auprc", "log_loss"), np.full(resamples, np.nan))
    true, scores = true[order], scores[order]
    losses, areas, means = image_losses(true, scores), [], []
    for drawn in weights(members, np.random.default_rng(0), resamples):
        means.append(drawn @ losses / drawn.sum(axis=1))
        columns = [_precision_area(drawn, true == index, scores[:, index]) for index in range(scores.shape[1])]
        areas.append(np.stack(columns, axis=1))
    found = np.concatenate(areas)  # (R, C)
    occurs = ~np.isnan(found)
    counts = occurs.sum(axis=1)
    area = np.divide(np.where(occurs, found, 0).sum(axis=1), counts, out=np.full(len(found), np.nan), where=counts > 0)
    return {"macro_auprc": area, "log_loss": np.concatenate(means).astype(np.float64)}


def _precision_area(
    drawn: NDArray[np.float32], own: NDArray[np.bool_], score: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(R',) average precision with the weights (R', N): the sum of precision times the step in recall.

    Images of one score enter together, as in scikit-learn's average_precision_score. NaN where the class is absent.
    """
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # where each score ends
    ranked = drawn[:, order].astype(np.float64)
    hits = np.cumsum(ranked * own[order], axis=1)[:, last]  # (R', S)
    named = np.cumsum(ranked, axis=1)[:, last]
    precision = np.divide(hits, named, out=np.zeros_like(hits), where=named > 0)
    whole = hits[:, -1]
    steps = np.diff(hits, axis=1, prepend=0)
    return np.divide((precision * steps).sum(axis=1), whole, out=np.full(len(drawn), np.nan), where=whole > 0)
