"""What stands above and below the pictures: counts, figures, confusion, figures by group, and how all was made.

Letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zsderm import images
from zsderm.metrics import Grouping, Metrics, by_group, confusion_matrix, evaluate
from zsderm.predictions import Predictions
from zsderm.report.reliability import reliability_plot

MATRIX_LIMIT = 12  # classes up to which a confusion matrix is readable


@dataclass(frozen=True)
class Labels:
    """What is known of N images besides their pixels.

    Attributes:
        true: (N,) int, the true class of each, negative where it is unknown.
        clusters: N names of what images belong to, empty where unknown; None: nothing is known.
        clustered_by: what these are, such as "patient_id".
    """

    true: NDArray[np.int_]
    clusters: Sequence[str] | None = None
    clustered_by: str = ""

    def clusters_of(self, which: NDArray[np.bool_]) -> NDArray[np.object_] | None:
        """The names for those of the images; None where none are known."""
        return None if self.clusters is None else np.array(self.clusters, dtype=object)[which]


@dataclass(frozen=True)
class GroupFigures:
    """Figures for each group of a column, as the page shows them."""

    column: str
    lines: Sequence[tuple[str, Metrics | None]]  # the groups, then "unknown"; None: no image has an answer
    grouping: Grouping


def overview(predictions: Predictions, labels: Labels, by: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Everything that the template shows of all images together."""
    known = predictions.ok.numpy() & (labels.true >= 0)
    labelled = bool(known.any())
    small = len(predictions.classes) <= MATRIX_LIMIT
    return {
        "predictions": predictions,
        "encoder": (predictions.manifest.get("encoder") or {}).get("name", ""),
        "notes": predictions.manifest.get("notes", ()),
        "passed_over": images.passed_over_text(predictions.manifest.get("passed_over") or {}),
        "modality": (predictions.manifest.get("settings") or {}).get("modality", ""),
        "calibration": predictions.manifest.get("calibration"),
        "manifest": list(flatten({key: value for key, value in predictions.manifest.items() if key != "notes"})),
        "counts": _counts(predictions, labels.true),
        "metrics": _metrics(predictions, labels) if labelled else None,
        "clustered_by": labels.clustered_by if labels.clusters is not None else "",
        "reliability": reliability_plot(predictions, labels.true) if labelled else None,
        "matrix": _confusion(predictions, labels.true, known).tolist() if labelled and small else None,
        "by": list(_by_group(predictions, labels, by)) if labelled else [],
    }


def flatten(manifest: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    """The manifest as (name, text) pairs; an inner mapping's names are put behind the outer one's."""
    for key, value in manifest.items():
        name = f"{above} › {key}" if above else str(key)
        if isinstance(value, Mapping):
            yield from flatten(value, name)
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, "–" if value is None else str(value)


def _counts(predictions: Predictions, true: NDArray[np.int_]) -> list[tuple[int, str, int, int]]:
    """(number, class, answers, true labels) of each class that has either, the most frequent answer first."""
    answers = predictions.labels
    counted = [
        (index, name, answers.count(name), int((true == index).sum())) for index, name in enumerate(predictions.classes)
    ]
    return sorted((row for row in counted if row[2] or row[3]), key=lambda row: -row[2])


def _metrics(predictions: Predictions, labels: Labels) -> Metrics:
    known = labels.true >= 0
    return evaluate(labels.true[known], predictions.probabilities.numpy()[known], clusters=labels.clusters_of(known))


def _confusion(predictions: Predictions, true: NDArray[np.int_], known: NDArray[np.bool_]) -> NDArray[np.int_]:
    """(C, C) int, of the images that were answered and have a true label."""
    answers = predictions.probabilities.numpy()[known].argmax(axis=1)
    return confusion_matrix(true[known], answers, len(predictions.classes))


def _by_group(predictions: Predictions, labels: Labels, by: Mapping[str, Sequence[str]]) -> Iterator[GroupFigures]:
    """The figures of each column; images whose group is not known are a line of their own."""
    known = labels.true >= 0
    table = predictions.probabilities.numpy()[known]
    for column, names in by.items():
        found = by_group(
            labels.true[known], table, np.array(names, dtype=object)[known], clusters=labels.clusters_of(known)
        )
        lines: list[tuple[str, Metrics | None]] = [*found.groups.items(), *((name, None) for name in found.unanswered)]
        yield GroupFigures(column, [*lines, ("unknown", found.of_unknown)], found)
