"""The tables the commands read beside predictions: true labels, predicted names, groups and patients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zsderm.class_labels import class_indices
from zsderm.cli.probability_columns import are_predictions
from zsderm.errors import InputError
from zsderm.image_table import LABEL_COLUMNS, ImageTable, known_column
from zsderm.long_tables import as_wide
from zsderm.metrics import AGE_COLUMNS, age_bands
from zsderm.table_files import numbers

# What to do about a label that is none of the classes.
ADVICE = "Leave the cell empty where an image shows none of the classes: it then counts as one without a label."


def labels_for(
    images: Sequence[str], path: Path, classes: Sequence[str], image_column: str | None = None
) -> NDArray[np.int_]:
    """The true class of each image, from a file of labels.

    Args:
        images: (N,) image names as predicted.
        path: a table with an image column and a column of classes, one of `LABEL_COLUMNS`; see `ImageTable.row_of` for
            whose row is taken, and `class_indices` for what a cell may say.
        classes: (C,) class names.
        image_column: the column that names the images, where it has no usual name.

    Returns:
        (N,) int, 0 to C - 1; NO_LABEL for an image the file does not mention.

    Raises:
        InputError: a column is missing, a label is no class, a name stands for several images, or no image has a row.
    """
    return labels_in(as_wide(ImageTable.read(path, image_column, required=False)).beside(images), classes)


def labels_in(table: ImageTable, classes: Sequence[str]) -> NDArray[np.int_]:
    """(N,) int, the true class that each row of a table of labels names; NO_LABEL where the cell is empty.

    Raises:
        InputError: there is no such column, a label is no class, or the table holds predictions: every one of them
            would be right.
    """
    column = known_column(table.frame.columns, LABEL_COLUMNS)
    if not column:
        raise InputError(
            f"expected a column of true classes in {table.path} ({', '.join(LABEL_COLUMNS)}), but its columns are: "
            f"{', '.join(table.frame) or 'none'}"
        )
    if not known_column((column,), ("true_label",)) and are_predictions(table):
        raise InputError(
            f"expected true classes in {table.path}, but it has columns of probabilities, so that its column "
            f"{column!r} is what was predicted; rename that column to true_label if it is the true class"
        )
    return class_indices(table.column(column), classes, table.path, advice=ADVICE)


def own_labels(table: ImageTable, classes: Sequence[str]) -> NDArray[np.int_]:
    """(N,) int, the true class of each row of a prediction table that carries a column ``true_label`` itself."""
    column = known_column(table.frame.columns, ("true_label",))
    if not column:
        raise InputError(
            f"nothing says what the images of {table.path} really show: give --labels, or predictions with a column "
            f"true_label; its columns are: {', '.join(table.frame) or 'none'}"
        )
    return class_indices(table.column(column), classes, table.path, advice=ADVICE)


def predicted_classes(table: ImageTable, classes: Sequence[str]) -> NDArray[np.int_]:
    """(N,) int from the column ``label``; NO_LABEL where it is empty, because the image could not be classified."""
    column = known_column(table.frame.columns, ("label",))
    if not column:
        raise InputError(
            f"expected a column label in {table.path}, or a column of probabilities for each class (probability: "
            f"{classes[0]}, ...), but its columns are: {', '.join(table.frame) or 'none'}"
        )
    return class_indices(table.column(column), classes, table.path)


def groups_in(table: ImageTable, column: str) -> NDArray[np.object_]:
    """(N,) names of groups from a column that the user asked for, empty where unknown; ages are put into bands.

    Only a column with one of the names in `AGE_COLUMNS` holds ages, and a cell that is no number stays as it is.

    Raises:
        InputError: there is no such column.
    """
    cells = table.ids(column)
    if not known_column((column,), AGE_COLUMNS):
        return np.array(cells, dtype=object)
    ages = numbers(cells)[0]
    return np.where(np.isfinite(ages), age_bands(ages).astype(object), np.array(cells, dtype=object))
