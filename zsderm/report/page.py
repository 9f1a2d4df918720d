"""The page itself. It needs no other file and no network.

It is written as a stream, so that ten thousand photographs pass through memory one at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import ArrayLike, NDArray

from zsderm import __version__, images
from zsderm.atomic_files import atomic_file
from zsderm.errors import InputError
from zsderm.metrics import Metrics, evaluate
from zsderm.predictions import Predictions
from zsderm.report.reliability import reliability_plot
from zsderm.report.row import Why, rows

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
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
    sets: ArrayLike | None = None,
    abstained: ArrayLike | None = None,
) -> None:
    """Write the report; the file is replaced whole or not at all.

    Args:
        predictions: what a classifier answered for N images.
        path: the HTML file; missing parent folders are made.
        pictures: N images to show; by default the names in ``predictions`` are opened as files.
        true: (N,) int, the index of the true class of each image, negative where it is unknown.
        top_k: classes shown per image.
        explanations: N explanations in the order of the images, None for those without one; taken one at a time.
        sets: (N, C) bool, the classes that each image could be; by default those of ``predictions``.
        abstained: (N,) bool, whether an image looks like none of the classes; by default as in ``predictions``.

    Raises:
        InputError: an argument has not one entry for each image.
        SettingsError: the place cannot be written.
    """
    pictures = predictions.images if pictures is None else pictures
    answers = np.full(len(predictions), -1) if true is None else np.asarray(true)
    could_be = _flags(sets, predictions.sets)
    withheld = _flags(abstained, predictions.abstained)
    _check(predictions, pictures, answers, could_be, withheld)
    stream = (
        _environment()
        .get_template("report.html.j2")
        .stream(
            **_overview(predictions, answers),
            **_trust(predictions, answers, could_be, withheld),
            rows=rows(predictions, pictures, answers, top_k, explanations, could_be, withheld),
            explained=explanations is not None,
            evidence_shown=EVIDENCE_SHOWN,
        )
    )
    with atomic_file(path) as draft, draft.open("wb") as file:
        stream.dump(file, encoding="utf-8", errors="replace")  # a file name need not be valid Unicode


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


def confusion(predictions: Predictions, true: NDArray[np.int_]) -> NDArray[np.int_]:
    """(C, C) int, how many images of each true class (row) got each answer (column)."""
    counts = np.zeros((len(predictions.classes),) * 2, dtype=np.int_)
    known = predictions.ok.numpy() & (true >= 0)
    answers = predictions.probabilities.numpy()[known].argmax(axis=1)
    np.add.at(counts, (true[known], answers), 1)
    return counts


def _flags(given: ArrayLike | None, otherwise: torch.Tensor | None) -> NDArray[np.bool_] | None:
    chosen = otherwise if given is None else given
    return None if chosen is None else np.asarray(chosen, dtype=bool)


def _check(
    predictions: Predictions,
    pictures: Sequence[images.ImageSource],
    true: NDArray[np.int_],
    sets: NDArray[np.bool_] | None,
    abstained: NDArray[np.bool_] | None,
) -> None:
    """Refuse arguments that have not one entry for each image."""
    given: dict[str, Sequence[object] | NDArray[np.generic] | None] = {
        "pictures": pictures,
        "true": true,
        "sets": sets,
        "abstained": abstained,
    }
    for name, values in given.items():
        if values is not None and len(values) != len(predictions):
            raise InputError(
                f"expected `{name}` to have one entry for each of {len(predictions)} images, but got {len(values)}"
            )
    if sets is not None and sets.shape != (len(predictions), len(predictions.classes)):
        raise InputError(
            f"expected `sets` of shape (images, classes) = {(len(predictions), len(predictions.classes))}, "
            f"but got {sets.shape}"
        )


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _overview(predictions: Predictions, true: NDArray[np.int_]) -> dict[str, object]:
    """What stands above and below the pictures."""
    labelled = bool((predictions.ok.numpy() & (true >= 0)).any())
    small = len(predictions.classes) <= MATRIX_LIMIT
    return {
        "predictions": predictions,
        "written": datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z"),
        "version": __version__,
        "encoder": (predictions.manifest.get("encoder") or {}).get("name", ""),
        "notes": predictions.manifest.get("notes", ()),
        "calibration": predictions.manifest.get("calibration"),
        "manifest": list(flatten({key: value for key, value in predictions.manifest.items() if key != "notes"})),
        "counts": _counts(predictions, true),
        "metrics": _metrics(predictions, true) if labelled else None,
        "reliability": reliability_plot(predictions, true) if labelled else None,
        "matrix": confusion(predictions, true).tolist() if labelled and small else None,
    }


def _trust(
    predictions: Predictions,
    true: NDArray[np.int_],
    sets: NDArray[np.bool_] | None,
    abstained: NDArray[np.bool_] | None,
) -> dict[str, object]:
    """How many images are left open, and whether the truth is where it could be."""
    answered = predictions.ok.numpy()
    known = answered & (true >= 0)
    inside = [] if sets is None else sets[known, true[known]].tolist()
    return {
        "abstentions": None if abstained is None else int((abstained & answered).sum()),
        "set_size": None if sets is None or not answered.any() else float(sets[answered].sum(axis=1).mean()),
        "covered": (sum(inside), len(inside)) if inside else None,
    }


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
