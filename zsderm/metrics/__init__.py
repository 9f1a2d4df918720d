"""How good predictions are, in the figures that long-tailed image sets need side by side.

Accuracy alone misleads where one class is common, so every summary carries the majority rate, the balanced accuracy and
bootstrap intervals as well. Letters: N images, C classes, U bootstrap units (images, or patients), R resamples.

`figures` are the formulas, `intervals` the bootstrap of answers and `score_intervals` that of probabilities; `summary`
puts them into one `Metrics`; `comparison` sets two methods side by side on the same images, `groups` one method on
several groups of people, and `repeats` holds those of a method that was trained several times.
"""

from zsderm.metrics.comparison import Comparison, Difference, compare
from zsderm.metrics.figures import (
    Reliability,
    balanced_accuracy,
    calibration_error,
    confusion_matrix,
    log_loss,
    macro_auprc,
    macro_auroc,
    macro_f1,
    macro_precision,
    macro_recall,
    reliability,
    top_k_accuracy,
)
from zsderm.metrics.groups import AGE_COLUMNS, Grouping, age_bands, by_group
from zsderm.metrics.intervals import Resamples, accuracy_interval, bootstrap, interval
from zsderm.metrics.repeats import RepeatedMetrics, evaluate_repeats
from zsderm.metrics.score_intervals import ScoreResamples, basic_interval, bootstrap_scores
from zsderm.metrics.summary import Metrics, evaluate, evaluate_labels

__all__ = [
    "AGE_COLUMNS",
    "Comparison",
    "Difference",
    "Grouping",
    "Metrics",
    "Reliability",
    "RepeatedMetrics",
    "Resamples",
    "ScoreResamples",
    "accuracy_interval",
    "age_bands",
    "balanced_accuracy",
    "basic_interval",
    "bootstrap",
    "bootstrap_scores",
    "by_group",
    "calibration_error",
    "compare",
    "confusion_matrix",
    "evaluate",
    "evaluate_labels",
    "evaluate_repeats",
    "interval",
    "log_loss",
    "macro_auprc",
    "macro_auroc",
    "macro_f1",
    "macro_precision",
    "macro_recall",
    "reliability",
    "top_k_accuracy",
]
