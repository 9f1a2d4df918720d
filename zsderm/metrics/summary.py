"""All figures of one set of predictions, with their intervals."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsderm.errors import InputError
from zsderm.metrics.figures import balanced_accuracy, calibration_error, macro_auroc, macro_f1, top_k_accuracy
from zsderm.metrics.intervals import RESAMPLES, bootstrap, count_units, interval
from zsderm.metrics.score_intervals import ScoreResamples, basic_interval, bootstrap_scores

_TITLES = {
    "n": "images",
    "unclassified": "images without a prediction (left out)",
    "units": "patients or lesions (drawn by the bootstrap)",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "top3_accuracy": "top-3 accuracy",
    "top5_accuracy": "top-5 accuracy",
    "macro_auroc": "macro AUROC",
    "majority_rate": "majority-class rate",
    "calibration_error": "expected calibration error",
}
_OF_ANSWERS = ("accuracy", "balanced_accuracy", "macro_f1")
_OF_PROBABILITIES = ("macro_auroc", "calibration_error")
WITH_INTERVAL = (*_OF_ANSWERS, *_OF_PROBABILITIES)
_NEED_PROBABILITIES = (
    "top3_accuracy",
    "top5_accuracy",
    *(f"{name}{end}" for name in _OF_PROBABILITIES for end in ("", "_low", "_high")),
)


@dataclass(frozen=True)
class Metrics:
    """The figures of one set of predictions; all but the counts are shares between 0 and 1, NaN where undefined.

    ``_low`` and ``_high`` are 95 % bootstrap intervals: percentiles of the resamples, and for the calibration error the
    basic interval (see `zsderm.metrics.score_intervals.basic_interval`).
    """

    n: int  # images that count: a true label and a prediction
    unclassified: int  # images with a true label but no prediction; left out of every other figure
    units: int  # what the bootstrap draws: patients or lesions where they are known, else the n images
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    balanced_accuracy: float  # mean recall over the classes that occur
    balanced_accuracy_low: float
    balanced_accuracy_high: float
    macro_f1: float  # mean F1 over the classes that occur or were predicted
    macro_f1_low: float
    macro_f1_high: float
    top3_accuracy: float
    top5_accuracy: float
    macro_auroc: float  # one against the rest, mean over the classes with both sides present
    macro_auroc_low: float
    macro_auroc_high: float
    majority_rate: float  # what always answering the commonest class would reach
    calibration_error: float  # 15 bins of equal width
    calibration_error_low: float
    calibration_error_high: float

    def to_dict(self) -> dict[str, int | float | None]:
        """The figures by name, ready for JSON: an undefined figure is None."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}

    def rows(self) -> list[tuple[str, str]]:
        """The figures as (title, text) in reading order, with three decimals and their intervals beside them."""
        texts = {name: str(value) if isinstance(value, int) else _three(value) for name, value in asdict(self).items()}
        for name in WITH_INTERVAL:
            if name in _OF_PROBABILITIES and math.isnan(getattr(self, name)):
                continue
            texts[name] += f" ({texts[f'{name}_low']} to {texts[f'{name}_high']})"
        plain = {"unclassified": not self.unclassified, "units": self.units == self.n}  # nothing to say
        return [(title, texts[name]) for name, title in _TITLES.items() if not plain.get(name)]

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
    clusters: ArrayLike | None = None,
    named_only: bool = False,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
) -> Metrics:
    """Compare class probabilities with the true classes.

    Args:
        labels: (N,) int, the index of the true class of each image, 0 to C - 1.
        probabilities: (N, C) float, one row per image; a row with NaN is an image without a prediction.
        clusters: (N,) names of what the images belong to, such as patients, empty where unknown; the bootstrap draws
            these. None: it draws images.
        named_only: whether ``probabilities`` only say which class was named, so that figures of probabilities are NaN.
        rng: source of randomness for the bootstrap; by default seeded with 0, so that figures repeat.
        resamples: bootstrap resamples.

    Returns:
        The figures over the images that have a prediction. No figure depends on the order of the images, or on the
        batches they were predicted in.

    Raises:
        InputError: the shapes disagree, a label is out of range, or no image has a prediction.
    """
    true, scores = checked(labels, probabilities)
    units = None if clusters is None else one_per_image("clusters", clusters, len(true))
    classified = ~np.isnan(scores).any(axis=1)
    if not classified.any():
        raise InputError(f"expected at least one image with a prediction, but all {len(true)} are without one")
    unclassified = int((~classified).sum())
    true, scores = true[classified], scores[classified]
    units = None if units is None else units[classified]
    predicted = scores.argmax(axis=1)
    (drawn,) = bootstrap(true, [predicted], scores.shape[1], clusters=units, rng=rng, resamples=resamples)
    bounds = {name: interval(getattr(drawn, name)) for name in _OF_ANSWERS}
    if named_only:
        graded = dict.fromkeys(_NEED_PROBABILITIES, math.nan)
    else:
        graded = _of_probabilities(
            true, scores, bootstrap_scores(true, scores, clusters=units, rng=rng, resamples=resamples)
        )
    return Metrics(
        n=len(true),
        unclassified=unclassified,
        units=count_units(units, len(true)),
        accuracy=float((predicted == true).mean()),
        balanced_accuracy=balanced_accuracy(true, predicted),
        macro_f1=macro_f1(true, predicted),
        **{f"{name}_low": low for name, (low, _) in bounds.items()},
        **{f"{name}_high": high for name, (_, high) in bounds.items()},
        majority_rate=float(np.bincount(true).max() / len(true)),
        **graded,
    )


def evaluate_labels(
    labels: ArrayLike, predicted: ArrayLike, class_count: int, *, clusters: ArrayLike | None = None
) -> Metrics:
    """Compare predicted classes with the true ones, when no probabilities are at hand.

    Args:
        labels: (N,) int, the index of the true class of each image.
        predicted: (N,) int, the index of the predicted class; -1 for an image without a prediction.
        class_count: C.
        clusters: see `evaluate`.

    Returns:
        The figures; those that need probabilities (top-3, top-5, AUROC, calibration) are NaN.
    """
    return evaluate(labels, certain(np.asarray(predicted), class_count), clusters=clusters, named_only=True)


def certain(predicted: NDArray[np.int_], class_count: int) -> NDArray[np.float64]:
    """(N, C): all probability on the predicted class; NaN where it is -1, an image without a prediction."""
    rows = np.eye(class_count)[predicted]
    rows[predicted < 0] = np.nan
    return rows


def checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Both as arrays, or an error that says which shape or label does not fit."""
    true, scores = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if scores.ndim != 2 or true.shape != scores.shape[:1]:
        raise InputError(
            f"expected labels (N,) and probabilities (N, C), but got {true.shape} and {scores.shape}; "
            "give one label per row"
        )
    if not np.issubdtype(true.dtype, np.integer):
        raise InputError(f"expected labels to be class indices (integers), but got {true.dtype}")
    if true.size and not 0 <= true.min() <= true.max() < scores.shape[1]:
        raise InputError(
            f"expected labels between 0 and {scores.shape[1] - 1}, but got {true.min()} to {true.max()}; "
            "they index into the class list"
        )
    return true.astype(np.int_), scores


def one_per_image(name: str, values: ArrayLike, images: int) -> NDArray[np.object_]:
    """The values as (N,) objects, or an error when they are not one for each image."""
    given = np.asarray(values, dtype=object)
    if given.shape != (images,):
        raise InputError(f"expected `{name}` to have one entry for each of {images} images, but got {given.shape}")
    return given


def _of_probabilities(true: NDArray[np.int_], scores: NDArray[np.float64], drawn: ScoreResamples) -> dict[str, float]:
    """The figures that need more than the name of a class."""
    error = calibration_error(scores.max(axis=1), scores.argmax(axis=1) == true)
    area_bounds, error_bounds = interval(drawn.macro_auroc), basic_interval(error, drawn.calibration_error)
    values = [top_k_accuracy(true, scores, 3), top_k_accuracy(true, scores, 5)]
    values += [macro_auroc(true, scores), *area_bounds, error, *error_bounds]
    return dict(zip(_NEED_PROBABILITIES, values, strict=True))


def _three(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
