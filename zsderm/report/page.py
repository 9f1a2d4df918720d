"""The page itself. It needs no other file and no network.

It is written as a stream, so that ten thousand photographs pass through memory one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsderm import images
from zsderm.errors import InputError
from zsderm.groups import GroupPredictions
from zsderm.metrics import Metrics, confusion_matrix, evaluate
from zsderm.predictions import Predictions
from zsderm.report.group_row import GroupRow, group_rows
from zsderm.report.reliability import reliability_plot
from zsderm.report.row import Why, rows
from zsderm.report.template import write_page

EVIDENCE_SHOWN = 3  # texts in view per image; the others unfold
MATRIX_LIMIT = 12  # classes up to which a confusion matrix is readable


def write_report(
    predictions: Predictions,
    path: str | os.PathLike[str],
    *,
    pictures: Sequence[images.ImageSource] | None = None,
    true: ArrayLike | None = None,
    top_k: int = 3,
    explanations: Iterable[Why | None] | None = None,
    groups: GroupPredictions | None = None,
) -> None:
    """Write the report; the file is replaced whole or not at all.

    Args:
        predictions: what a classifier answered for N images.
        path: the HTML file; missing parent folders are made.
        pictures: N images to show; by default the names in ``predictions`` are opened as files.
        true: (N,) int, the index of the true class of each image, negative where it is unknown.
        top_k: classes shown per image.
        explanations: N explanations in the order of the images, None for those without one; taken one at a time.
        groups: one answer for several photographs each, of these same images; shown as a table.

    Raises:
        InputError: an argument has not one entry for each image.
        SettingsError: the place cannot be written.
    """
    pictures = predictions.images if pictures is None else pictures
    answers = np.full(len(predictions), -1) if true is None else np.asarray(true)
    _check(predictions, pictures, answers)
    write_page(
        "report.html.j2",
        path,
        **_overview(predictions, answers),
        **_trust(predictions, answers),
        **_groups(groups, answers),
        rows=rows(predictions, pictures, answers, top_k, explanations),
        explained=explanations is not None,
        evidence_shown=EVIDENCE_SHOWN,
    )


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


def _check(predictions: Predictions, pictures: Sequence[images.ImageSource], true: NDArray[np.int_]) -> None:
    """Refuse arguments that have not one entry for each image."""
    given: dict[str, Sequence[object] | NDArray[np.int_]] = {"pictures": pictures, "true": true}
    for name, values in given.items():
        if len(values) != len(predictions):
            raise InputError(
                f"expected `{name}` to have one entry for each of {len(predictions)} images, but got {len(values)}"
            )
    if true.ndim != 1 or true.dtype.kind not in "iu" or (len(true) and true.max() >= len(predictions.classes)):
        raise InputError(
            f"expected `true` to be integers that index the {len(predictions.classes)} classes, negative where it is "
            f"unknown, but got {str(true.tolist())[:80]}"
        )


def _overview(predictions: Predictions, true: NDArray[np.int_]) -> dict[str, object]:
    """What stands above and below the pictures."""
    labelled = bool((predictions.ok.numpy() & (true >= 0)).any())
    small = len(predictions.classes) <= MATRIX_LIMIT
    return {
        "predictions": predictions,
        "encoder": (predictions.manifest.get("encoder") or {}).get("name", ""),
        "notes": predictions.manifest.get("notes", ()),
        "passed_over": images.passed_over_text(predictions.manifest.get("passed_over") or {}),
        "modality": (predictions.manifest.get("settings") or {}).get("modality", ""),
        "calibration": predictions.manifest.get("calibration"),
        "manifest": list(flatten({key: value for key, value in predictions.manifest.items() if key != "notes"})),
        "counts": _counts(predictions, true),
        "metrics": _metrics(predictions, true) if labelled else None,
        "reliability": reliability_plot(predictions, true) if labelled else None,
        "matrix": _confusion(predictions, true).tolist() if labelled and small else None,
    }


def _confusion(predictions: Predictions, true: NDArray[np.int_]) -> NDArray[np.int_]:
    """(C, C) int, of the images that were answered and have a true label."""
    known = predictions.ok.numpy() & (true >= 0)
    answers = predictions.probabilities.numpy()[known].argmax(axis=1)
    return confusion_matrix(true[known], answers, len(predictions.classes))


def _trust(predictions: Predictions, true: NDArray[np.int_]) -> dict[str, object]:
    """How many images are left open, and whether the truth is where it could be."""
    sets = None if predictions.sets is None else predictions.sets.numpy()
    abstained = None if predictions.abstained is None else predictions.abstained.numpy()
    answered = predictions.ok.numpy()
    known = answered & (true >= 0)
    inside = [] if sets is None else sets[known, true[known]].tolist()
    return {
        "abstentions": None if abstained is None else int((abstained & answered).sum()),
        "set_size": None if sets is None or not answered.any() else float(sets[answered].sum(axis=1).mean()),
        "covered": (sum(inside), len(inside)) if inside else None,
    }


def _groups(groups: GroupPredictions | None, true: NDArray[np.int_]) -> dict[str, object]:
    """The answers for lesions or patients, and how many of them are right."""
    if groups is None:
        return {"grouped": None}
    if len(groups.members.group_of) != len(true):
        raise InputError(f"expected `groups` of {len(true)} images, but got {len(groups.members.group_of)}")
    lines: list[GroupRow] = list(group_rows(groups, true))
    verdicts = [line.verdict for line in lines if line.verdict]
    return {"grouped": {"by": groups.by, "lines": lines, "right": verdicts.count("right"), "labelled": len(verdicts)}}


def _counts(predictions: Predictions, true: NDArray[np.int_]) -> list[tuple[str, int, int]]:
    """(class, answers, true labels) of each class that has either, the most frequent answer first."""
    answers = predictions.labels
    counted = [
        (name, answers.count(name), int((true == index).sum())) for index, name in enumerate(predictions.classes)
    ]
    return sorted((row for row in counted if row[1] or row[2]), key=lambda row: -row[1])


def _metrics(predictions: Predictions, true: NDArray[np.int_]) -> Metrics:
    known = true >= 0
    return evaluate(true[known], predictions.probabilities.numpy()[known])
