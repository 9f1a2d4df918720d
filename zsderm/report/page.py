"""The page itself. It needs no other file and no network.

It is written as a stream, so that ten thousand photographs pass through memory one at a time.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence, Sized

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from zsderm import images
from zsderm.csv_files import into_cell
from zsderm.errors import InputError
from zsderm.groups import GroupPredictions
from zsderm.predictions import Predictions
from zsderm.report.changes import changes
from zsderm.report.group_row import group_table
from zsderm.report.overview import Labels, overview
from zsderm.report.pictures import side_for
from zsderm.report.row import Why, rows
from zsderm.report.template import read_script, write_page
from zsderm.report.trust import trust
from zsderm.stored_json import checksum_of

EVIDENCE_SHOWN = 3  # texts in view per image; the others unfold
READY = 96  # photographs in view even where the script is forbidden; the others are drawn when they are wanted
SCRIPTS = ("labels_csv.js", "workbench.js")


def write_report(
    predictions: Predictions,
    path: str | os.PathLike[str],
    *,
    pictures: Sequence[images.ImageSource] | None = None,
    true: ArrayLike | None = None,
    top_k: int = 3,
    explanations: Iterable[Why | None] | None = None,
    groups: GroupPredictions | None = None,
    by: Mapping[str, Sequence[str]] | None = None,
    clusters: Sequence[str] | None = None,
    clustered_by: str = "",
    columns: Mapping[str, Sequence[str]] | None = None,
    embeddings: ArrayLike | None = None,
) -> None:
    """Write the report; the file is replaced whole or not at all.

    Args:
        predictions: what a classifier answered for N images. Where these were refined, the page says which answers
            changed.
        path: the HTML file; missing parent folders are made.
        pictures: N images to show; by default the names in ``predictions`` are opened as files.
        true: (N,) int, the index of the true class of each image, negative where it is unknown.
        top_k: classes shown per image.
        explanations: N explanations in the order of the images, None for those without one; taken one at a time.
        groups: one answer for several photographs each, of these same images; shown as a table.
        by: for columns such as "skin type" the group of each of the N images, empty where unknown: the figures of each
            group, where there are labels.
        clusters: N names of what the images belong to, such as patients, empty where unknown; intervals draw these. By
            default the groups.
        clustered_by: what these are.
        columns: N cells of other columns of the table of labels, which the table of corrections has as well.
        embeddings: (N, D) rows by which a wrong answer finds the right ones most like it; by default the probabilities.

    Raises:
        InputError: an argument has not one entry for each image.
        SettingsError: the place cannot be written.
    """
    pictures = predictions.images if pictures is None else pictures
    answers = np.full(len(predictions), -1) if true is None else np.asarray(true)
    features = None if embeddings is None else np.asarray(embeddings, dtype=np.float32)
    by, columns = by or {}, columns or {}
    if clusters is None and groups is not None and len(groups.photographs) == len(predictions):
        names = groups.members.names
        clusters, clustered_by = [names[group] for group in groups.members.group_of.tolist()], groups.by or "group"
    given = {"pictures": pictures, "true": answers, "clusters": clusters, "embeddings": features}
    named = {"by": by, "columns": columns}
    parts = {f"{name}[{column!r}]": cells for name, part in named.items() for column, cells in part.items()}
    _check(predictions, {**given, **parts})
    _check_true(predictions, answers)
    labels = Labels(answers, clusters, clustered_by or "what they belong to")
    side = side_for(len(predictions))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # images.MAX_PIXELS is the limit that counts
        write_page(
            "report.html.j2",
            path,
            **overview(predictions, labels, by),
            trust=trust(predictions, labels),
            changes=changes(predictions, answers),
            grouped=None if groups is None else group_table(groups, answers),
            rows=rows(predictions, pictures, answers, top_k, explanations, side, features, list(columns.values())),
            place={name: index for index, name in enumerate(predictions.classes)},
            facts={**_facts(predictions, answers), "columns": list(map(into_cell, columns))},
            script=read_script(*SCRIPTS),
            explained=explanations is not None,
            evidence_shown=EVIDENCE_SHOWN,
            ready=READY,
        )


def _facts(predictions: Predictions, true: NDArray[np.int_]) -> dict[str, object]:
    """What the script of the page has to know of all images together, ready for JSON.

    ``report`` tells this page from one that was written to the same place before: corrections of that are not for this.
    """
    return {
        "report": checksum_of({"images": list(predictions.images), "classes": list(predictions.classes)})[:12],
        "classes": list(predictions.classes),
        "cells": [into_cell(name) for name in predictions.classes],
        "labelled": bool((true >= 0).any()),
    }


def _check(predictions: Predictions, given: Mapping[str, Sized | None]) -> None:
    """Refuse arguments that have not one entry for each image."""
    for name, values in given.items():
        if values is not None and len(values) != len(predictions):
            raise InputError(
                f"expected `{name}` to have one entry for each of {len(predictions)} images, but got {len(values)}"
            )


def _check_true(predictions: Predictions, true: NDArray[np.int_]) -> None:
    if true.ndim != 1 or true.dtype.kind not in "iu" or (len(true) and true.max() >= len(predictions.classes)):
        raise InputError(
            f"expected `true` to be integers that index the {len(predictions.classes)} classes, negative where it is "
            f"unknown, but got {str(true.tolist())[:80]}"
        )
