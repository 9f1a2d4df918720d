"""One figure a function: true classes and answers in, a share between 0 and 1 out.

None depends on the order of the images, to the last bit: sums over images run in an order that the values decide. Of
no images every figure is NaN.
Letters: N images, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sklearn.metrics
from numpy.typing import NDArray

BINS = 15  # of equal width, as Guo et al. 2017


@dataclass(frozen=True, eq=False)
class Reliability:
    """What was claimed and what came true, bin by bin; (B,) each, NaN where a bin is empty."""

    count: NDArray[np.int_]
    confidence: NDArray[np.float64]  # mean in the bin
    accuracy: NDArray[np.float64]

    @property
    def calibration_error(self) -> float:
        """The mean distance of confidence and accuracy, each bin weighted by its images; NaN of no images."""
        if not self.count.any():
            return float("nan")
        gaps = np.abs(np.nan_to_num(self.confidence - self.accuracy))
        return float((self.count * gaps).sum() / self.count.sum())


def balanced_accuracy(true: NDArray[np.int_], predicted: NDArray[np.int_]) -> float:
    """The mean recall over the classes that occur in ``true``; a class that is only predicted does not count."""
    if not len(true):
        return float("nan")
    recalls = sklearn.metrics.recall_score(true, predicted, labels=np.unique(true), average="macro", zero_division=0)
    return float(recalls)


def macro_f1(true: NDArray[np.int_], predicted: NDArray[np.int_]) -> float:
    """The mean F1 over the classes that occur or were predicted."""
    if not len(true):
        return float("nan")
    return float(sklearn.metrics.f1_score(true, predicted, average="macro", zero_division=0))


def macro_precision(true: NDArray[np.int_], predicted: NDArray[np.int_]) -> float:
    """The mean precision over the classes that occur or were predicted; 0 for a class that was never predicted."""
    if not len(true):
        return float("nan")
    return float(sklearn.metrics.precision_score(true, predicted, average="macro", zero_division=0))


def macro_recall(true: NDArray[np.int_], predicted: NDArray[np.int_]) -> float:
    """The mean recall over the classes that occur or were predicted.

    It is the balanced accuracy where every class that was predicted occurs; a class that is only predicted counts as 0.
    """
    if not len(true):
        return float("nan")
    return float(sklearn.metrics.recall_score(true, predicted, average="macro", zero_division=0))


def top_k_accuracy(true: NDArray[np.int_], scores: NDArray[np.float64], k: int) -> float:
    """The share of images whose true class is among the k most probable; 1 when there are no more than k classes."""
    if not len(true):
        return float("nan")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((best == true[:, None]).any(axis=1).mean())


def macro_auroc(true: NDArray[np.int_], scores: NDArray[np.float64]) -> float:
    """The mean area under the ROC curve, each class against the rest; NaN when no class has both sides.

    A class that never occurs, or that every image has, has no curve and is left out of the mean.
    """
    sides = [(true == index, scores[:, index]) for index in range(scores.shape[1])]
    areas = [sklearn.metrics.roc_auc_score(side, score) for side, score in sides if 0 < side.sum() < len(side)]
    return float(np.mean(areas)) if areas else float("nan")


def macro_auprc(true: NDArray[np.int_], scores: NDArray[np.float64]) -> float:
    """The mean area under the precision-recall curve (average precision), each class against the rest.

    A class that never occurs has no curve and is left out of the mean; NaN when none occurs.
    """
    sides = [(true == index, scores[:, index]) for index in range(scores.shape[1])]
    areas = [sklearn.metrics.average_precision_score(side, score) for side, score in sides if side.any()]
    return float(np.mean(areas)) if areas else float("nan")


def log_loss(true: NDArray[np.int_], scores: NDArray[np.float64]) -> float:
    """The mean of -log of the probability of the true class, in nats; 0 is perfect, and there is no upper bound.

    A probability of 0 counts as the smallest step of a float, 2.2e-16, as in scikit-learn.
    """
    return float(image_losses(true, scores).mean()) if len(true) else float("nan")


def image_losses(true: NDArray[np.int_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) -log of the probability of the true class of each image, in nats; see `log_loss`."""
    step = np.finfo(np.float64).eps
    losses: NDArray[np.float64] = -np.log(np.clip(scores[np.arange(len(true)), true], step, 1 - step))
    return losses


def confusion_matrix(true: NDArray[np.int_], predicted: NDArray[np.int_], class_count: int) -> NDArray[np.int_]:
    """(C, C) int, how many images of each true class (row) got each answer (column); classes that never occur too."""
    return sklearn.metrics.confusion_matrix(true, predicted, labels=np.arange(class_count))


def reliability(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """Stated confidence beside what came true, in bins of equal width that are closed on the right.

    Args:
        confidence: (N,) float, 0 to 1, the probability of each answer.
        correct: (N,) bool.
        bins: B.
    """
    order = np.lexsort((correct, confidence))  # equal values have equal sums, however the images are ordered
    claimed, true = confidence[order].astype(np.float64), correct[order].astype(np.float64)
    which = np.clip(np.ceil(claimed * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(which, minlength=bins)
    full = np.where(count > 0, count, np.nan)
    sums = [np.bincount(which, weights=values, minlength=bins) for values in (claimed, true)]
    return Reliability(count, sums[0] / full, sums[1] / full)


def calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """How far stated confidence is from what comes true, on average over the images.

    sum over bins of |bin| / N * |mean confidence - accuracy|, bins of equal width, closed on the right.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3.
    """
    return reliability(confidence, correct, bins).calibration_error
