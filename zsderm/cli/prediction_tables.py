"""The tables the commands read: predictions and true labels, matched by image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zsderm.errors import InputError, did_you_mean
from zsderm.image_table import ImageTable
from zsderm.metrics import age_bands
from zsderm.table_files import numbers, whole_numbers

_LABEL_COLUMNS = ("true_label", "label", "class", "diagnosis")
NO_LABEL = -1
_ROW_SUM_TOLERANCE = 1e-2  # tables of other tools are rounded, some to three decimals


def labels_for(
    images: Sequence[str], path: Path, classes: Sequence[str], image_column: str | None = None
) -> NDArray[np.int_]:
    """The true class of each image, from a file of labels.

    Args:
        images: (N,) image names as predicted.
        path: a table with an image column and a column ``true_label`` (a class name, or an index into ``classes``);
            see `ImageTable.row_of` for whose row is taken.
        classes: (C,) class names.
        image_column: the column that names the images, where it has no usual name.

    Returns:
        (N,) int, 0 to C - 1; NO_LABEL for an image the file does not mention.

    Raises:
        InputError: a column is missing, a label is no class, a name stands for several images, or no image has a label.
    """
    return labels_in(ImageTable.read(path, image_column, required=False).beside(images), classes)


def labels_in(table: ImageTable, classes: Sequence[str]) -> NDArray[np.int_]:
    """(N,) int, the true class that each row of a table of labels names; NO_LABEL where the cell is empty."""
    return class_indices(_column(table, _LABEL_COLUMNS), classes, table.path)


def names_in(table: ImageTable, column: str) -> NDArray[np.object_]:
    """(N,) names from a column that the user asked for; ages are put into bands, an unknown one is an empty name.

    Raises:
        InputError: there is no such column.
    """
    cells = table.ids(column)
    if column.lower().startswith("age"):
        ages, _ = numbers(cells)
        if np.isfinite(ages).sum() * 2 > sum(map(bool, cells)):  # a column age_group holds bands already
            return age_bands(ages).astype(object)
    return np.array(whole_numbers(cells), dtype=object)


def own_labels(table: ImageTable, classes: Sequence[str]) -> NDArray[np.int_]:
    """(N,) int, the true class of each row of a prediction table that carries a column ``true_label`` itself."""
    return class_indices(_column(table, ("true_label",)), classes, table.path)


def class_indices(labels: Sequence[str], classes: Sequence[str], path: Path) -> NDArray[np.int_]:
    """The index into ``classes`` of every label, which is a class name or already such an index.

    Returns:
        (N,) int, 0 to C - 1; NO_LABEL where the label is empty.

    Raises:
        InputError: a label is neither; the sentence names it and the closest class.
    """
    index_of = {"": NO_LABEL, "nan": NO_LABEL} | {str(index): index for index in range(len(classes))}
    index_of |= {f"{index}.0": index for index in range(len(classes))}  # a column of numbers with gaps
    index_of |= {name.casefold(): index for index, name in enumerate(classes)}  # a class named "3" means that class
    keys = [label.casefold() for label in labels]
    for key in keys:
        if key not in index_of:
            hint = did_you_mean(key, classes) or f" The classes are: {', '.join(classes)}"
            raise InputError(f"{path} has the label {key!r}, which is none of the {len(classes)} classes.{hint}")
    return np.array([index_of[key] for key in keys], dtype=np.int_)


def class_probabilities(
    table: ImageTable, classes: Sequence[str], order: Sequence[str] | None = None
) -> NDArray[np.float64] | None:
    """(N, C) float64, one column a class, from whatever a tool calls its columns; NaN where there is no prediction.

    Columns are ``probability_class_0`` onwards, or the names of the classes, bare or after ``probability_`` or
    ``prob_``, with blanks or underscores. Only probabilities are taken: logits have to go through a softmax first.

    Args:
        table: one row per image.
        classes: (C,) class names, in the order of the result.
        order: the class that each ``probability_class_i`` stands for; None: the order of ``classes``.

    Returns:
        The probabilities, or None when the table has no such columns.

    Raises:
        InputError: columns for some classes only, a cell that is no number, or rows that are no probabilities.
    """
    path, names = table.path, list(table.frame)
    numbered = [name for name in names if name.startswith("probability_class_")]
    columns = _numbered(numbered, path, classes, order or classes) if numbered else _named(names, path, classes)
    if columns is None:
        return None
    rows = np.stack([_probabilities(table, column) for column in columns], axis=1)  # (N, C)
    known = ~np.isnan(rows).any(axis=1)
    sound = (rows[known] >= 0).all(axis=1) & (np.abs(rows[known].sum(axis=1) - 1) <= _ROW_SUM_TOLERANCE)
    if not sound.all():
        bad = rows[known][~sound][0]
        raise InputError(
            f"expected probabilities in {path}: numbers from 0 that sum to 1 over the {len(classes)} classes, but a "
            f"row is {np.round(bad, 3).tolist()}; put logits through a softmax, and name every class"
        )
    return rows


def _probabilities(table: ImageTable, column: str) -> NDArray[np.float64]:
    """(N,) float64, NaN where a cell is empty."""
    cells = table.column(column)
    values, wrong = numbers(cells)
    if wrong.any():
        raise InputError(
            f"expected probabilities in column {column!r} of {table.path}, but a cell is {cells[int(wrong.argmax())]!r}"
        )
    return values


def _numbered(present: Sequence[str], path: Path, classes: Sequence[str], order: Sequence[str]) -> list[str]:
    """The columns ``probability_class_i`` in the order of ``classes``, where the i-th stands for ``order[i]``."""
    wanted = [f"probability_class_{index}" for index in range(len(order))]
    if set(present) != set(wanted):
        raise InputError(
            f"expected {len(order)} columns probability_class_0 to probability_class_{len(order) - 1} in {path}, one "
            f"for each class, but got {len(present)}; give --classes the list that the predictions were made with"
        )
    place = {name.casefold(): index for index, name in enumerate(order)}
    if missing := [name for name in classes if name.casefold() not in place]:
        hint = did_you_mean(missing[0], order)
        raise InputError(f"expected every class in the class map of {path}, but {missing[0]!r} is not there.{hint}")
    return [wanted[place[name.casefold()]] for name in classes]


def _named(columns: Iterable[str], path: Path, classes: Sequence[str]) -> list[str] | None:
    """The columns named after the classes, in their order; None when not one of them is."""
    column_of = {_class_of_column(column): column for column in columns}
    found = {name: column_of[_class_of_column(name)] for name in classes if _class_of_column(name) in column_of}
    if not found:
        return None
    if missing := [name for name in classes if name not in found]:
        raise InputError(
            f"expected a column for each of the {len(classes)} classes in {path}, but there is none for: "
            f"{', '.join(missing)}"
        )
    return list(found.values())


def _class_of_column(column: str) -> str:
    """The class a column is about, as it is looked up."""
    plain = " ".join(column.replace("_", " ").casefold().split())
    return plain.removeprefix("probability ").removeprefix("prob ")


def predicted_classes(table: ImageTable, classes: Sequence[str]) -> NDArray[np.int_]:
    """(N,) int from the column ``label``; NO_LABEL where it is empty, because the image could not be classified."""
    return class_indices(_column(table, ("label",)), classes, table.path)


def _column(table: ImageTable, names: Sequence[str]) -> list[str]:
    """The cells of the first of the named columns that the table has."""
    for name in names:
        if name in table.frame.columns:
            return table.column(name)
    wanted = " or ".join(f"'{name}'" for name in names)
    raise InputError(f"expected a column {wanted} in {table.path}, but its columns are: {', '.join(table.frame)}")
