"""How good predictions are, in the figures that long-tailed image sets need side by side.

Accuracy alone misleads where one class is common, so every summary carries the majority rate, the balanced accuracy and
a bootstrap interval as well. Letters: N images, C classes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import f1_score, recall_score, roc_auc_score

from zsderm.errors import InputError

_TITLES = {
    "n": "images",
    "unclassified": "images without a prediction (left out)",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "top3_accuracy": "top-3 accuracy",
    "macro_auroc": "macro AUROC",
    "majority_rate": "majority-class rate",
    "calibration_error": "expected calibration error",
}


@dataclass(frozen=True)
class Metrics:
    """The figures of one set of predictions; all but the counts are shares between 0 and 1, NaN where undefined."""

    n: int  # images that count: a true label and a prediction
    unclassified: int  # images with a true label but no prediction; left out of every other figure
    accuracy: float
    accuracy_low: float  # 95 % bootstrap interval
    accuracy_high: float
    balanced_accuracy: float  # mean recall over the classes that occur
    macro_f1: float  # mean F1 over the classes that occur or were predicted
    top3_accuracy: float
    macro_auroc: float  # one against the rest, mean over the classes with both sides present
    majority_rate: float  # what always answering the commonest class would reach
    calibration_error: float  # 15 bins of equal width

    def to_dict(self) -> dict[str, int | float | None]:
        """The figures by name, ready for JSON: an undefined figure is None."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}

    def rows(self) -> list[tuple[str, str]]:
        """The figures as (title, text) in reading order, with three decimals and the interval beside the accuracy."""
        texts = {name: str(value) if isinstance(value, int) else _three(value) for name, value in asdict(self).items()}
        texts["accuracy"] += f" ({texts['accuracy_low']} to {texts['accuracy_high']})"
        return [(title, texts[name]) for name, title in _TITLES.items() if name != "unclassified" or self.unclassified]

    def to_markdown(self) -> str:
        """The figures as a Markdown table with three decimals."""
        rows = [("metric", "value"), *self.rows()]
        left, right = (max(len(row[side]) for row in rows) for side in (0, 1))
        lines = [f"| {title:<{left}} | {text:>{right}} |" for title, text in rows]
        return "\n".join([lines[0], f"|{'-' * (left + 2)}|{'-' * (right + 1)}:|", *lines[1:]])


def evaluate(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    rng: np.random.Generator | None = None,
    resamples: int = 10_000,
) -> Metrics:
    """Compare class probabilities with the true classes.

    Args:
        labels: (N,) int, the index of the true class of each image, 0 to C - 1.
        probabilities: (N, C) float, one row per image; a row with NaN is an image without a prediction.
        rng: source of randomness for the bootstrap; by default seeded with 0, so that figures repeat.
        resamples: bootstrap resamples.

    Returns:
        The figures over the images that have a prediction. No figure depends on the order of the images.

    Raises:
        InputError: the shapes disagree, a label is out of range, or no image has a prediction.
    """
    true, scores = _checked(np.asarray(labels), np.asarray(probabilities, dtype=np.float64))
    classified = ~np.isnan(scores).any(axis=1)
    if not classified.any():
        raise InputError(f"expected at least one image with a prediction, but all {len(true)} are without one")
    unclassified = int((~classified).sum())
    true, scores = true[classified], scores[classified]
    predicted = scores.argmax(axis=1)
    correct = predicted == true
    low, high = accuracy_interval(correct, rng or np.random.default_rng(0), resamples)
    return Metrics(
        n=len(true),
        unclassified=unclassified,
        accuracy=float(correct.mean()),
        accuracy_low=low,
        accuracy_high=high,
        balanced_accuracy=balanced_accuracy(true, predicted),
        macro_f1=float(f1_score(true, predicted, average="macro", zero_division=0)),
        top3_accuracy=top_k_accuracy(true, scores, 3),
        macro_auroc=macro_auroc(true, scores),
        majority_rate=float(np.bincount(true).max() / len(true)),
        calibration_error=calibration_error(scores.max(axis=1), correct),
    )


def evaluate_labels(labels: ArrayLike, predicted: ArrayLike, class_count: int) -> Metrics:
    """Compare predicted classes with the true ones, when no probabilities are at hand.

    Args:
        labels: (N,) int, the index of the true class of each image.
        predicted: (N,) int, the index of the predicted class; -1 for an image without a prediction.
        class_count: C.

    Returns:
        The figures; those that need probabilities (top-3, AUROC, calibration) are NaN.
    """
    chosen = np.asarray(predicted)
    certain = np.eye(class_count)[chosen]
    certain[chosen < 0] = np.nan
    undefined = float("nan")
    return replace(
        evaluate(labels, certain), top3_accuracy=undefined, macro_auroc=undefined, calibration_error=undefined
    )


def balanced_accuracy(true: NDArray[np.int_], predicted: NDArray[np.int_]) -> float:
    """The mean recall over the classes that occur in ``true``; a class that is only predicted does not count."""
    return float(recall_score(true, predicted, labels=np.unique(true), average="macro", zero_division=0))


def top_k_accuracy(true: NDArray[np.int_], scores: NDArray[np.float64], k: int) -> float:
    """The share of images whose true class is among the k most probable; 1 when there are no more than k classes."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((best == true[:, None]).any(axis=1).mean())


def macro_auroc(true: NDArray[np.int_], scores: NDArray[np.float64]) -> float:
    """The mean area under the ROC curve, each class against the rest; NaN when no class has both sides.

    A class that never occurs, or that every image has, has no curve and is left out of the mean.
    """
    sides = [(true == index, scores[:, index]) for index in range(scores.shape[1])]
    areas = [roc_auc_score(side, score) for side, score in sides if 0 < side.sum() < len(side)]
    return float(np.mean(areas)) if areas else float("nan")


def calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = 15) -> float:
    """How far stated confidence is from what comes true, on average over the images.

    sum over bins of |bin| / N * |mean confidence - accuracy|, bins of equal width, closed on the right.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3.
    """
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(which, weights=confidence - correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def accuracy_interval(
    correct: NDArray[np.bool_], rng: np.random.Generator, resamples: int = 10_000
) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the accuracy.

    The sum of n draws with replacement from zeros and ones is binomial, so the resamples are drawn directly.
    """
    n = len(correct)
    low, high = np.quantile(rng.binomial(n, correct.mean(), size=resamples) / n, [0.025, 0.975])
    return float(low), float(high)


def _checked(labels: NDArray[np.generic], scores: NDArray[np.float64]) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Both arrays, or an error that says which shape or label does not fit."""
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise InputError(
            f"expected labels (N,) and probabilities (N, C), but got {labels.shape} and {scores.shape}; "
            "give one label per row"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"expected labels to be class indices (integers), but got {labels.dtype}")
    if labels.size and not 0 <= labels.min() <= labels.max() < scores.shape[1]:
        raise InputError(
            f"expected labels between 0 and {scores.shape[1] - 1}, but got {labels.min()} to {labels.max()}; "
            "they index into the class list"
        )
    return labels.astype(np.int_), scores


def _three(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
