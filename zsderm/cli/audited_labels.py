"""The labels that ``zsderm audit`` looks at, and the predictions that they are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zsderm.class_labels import places
from zsderm.cli.answer_tables import read_predictions
from zsderm.cli.prediction_tables import labels_in
from zsderm.cli.probability_columns import class_probabilities
from zsderm.errors import InputError
from zsderm.image_table import LABEL_COLUMNS, ImageTable, known_column
from zsderm.optional_packages import requires
from zsderm.tasks.audit import Labels


def audited_labels(
    images: Sequence[str], path: Path, predictions: Path | str | None = None, classes: Sequence[str] | None = None
) -> Labels:
    """The label of each image, and its probabilities if there is a table of them.

    Args:
        images: (N,) paths.
        path: a table with an image column and a column of classes, one of `LABEL_COLUMNS`.
        predictions: probabilities of any tool; see `zsderm.cli.answer_tables.read_predictions`.
        classes: (C,) names; None: those that stand in the labels.

    Raises:
        MissingDependencyError: cleanlab is not installed.
        InputError: a table lacks something, or names no image; there is a label that is none of the classes.
    """
    with requires("zsderm[audit]", "finding label errors"):  # said before the images are read
        import cleanlab  # noqa: F401
    table = ImageTable.read(path).beside(images)
    column = known_column(table.frame.columns, LABEL_COLUMNS)
    # A table without such a column is refused below, whatever the classes are.
    names = _names(table.column(column)) if column and classes is None else tuple(classes or ())
    if column and not names:
        raise InputError(f"expected labels in {path}, but its column {column!r} is empty for all of these images")
    given = labels_in(table, names).astype(np.int64)
    if predictions is None or len(names) < 2:  # of labels of one class there is nothing to judge
        return Labels(names, given, columns=table.other_columns())
    rows = class_probabilities(read_predictions(predictions, None).beside(images), names)
    if rows is None:
        raise InputError(
            f"expected a column of probabilities for each class in {predictions} (probability: {names[0]}, ...), but "
            "it has none"
        )
    return Labels(names, given, rows, str(predictions), table.other_columns())


def _names(cells: Sequence[str]) -> tuple[str, ...]:
    """The classes in a column of labels, in alphabetical order; each in the spelling that is used most."""
    names: list[str] = []
    for name, _ in Counter(filter(None, cells)).most_common():
        if not places([name], names):
            names.append(name)
    return tuple(sorted(names))
