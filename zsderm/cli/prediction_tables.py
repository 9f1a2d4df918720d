"""The tables the commands read: predictions and true labels, matched by image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm.errors import InputError, did_you_mean
from zsderm.image_table import cell_name, image_column_of, label_key, rows_by_image
from zsderm.metrics import age_bands

_LABEL_COLUMNS = ("true_label", "label", "class", "diagnosis")
NO_LABEL = -1
_ROW_SUM_TOLERANCE = 1e-2  # tables of other tools are rounded, some to three decimals


def read_table(path: Path) -> pd.DataFrame:
    """A table from CSV, JSON Lines or Parquet, by the file's suffix.

    Raises:
        InputError: the file does not parse as what its suffix says.
    """
    try:
        match path.suffix.lower():
            case ".parquet":
                return pd.read_parquet(path)
            case ".jsonl":
                return pd.read_json(path, lines=True)
            case _:
                return pd.read_csv(path, keep_default_na=False, na_values=["", "nan", "NaN"], encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise InputError(
            f"expected a table (.csv, .jsonl or .parquet) in {path}, but cannot read it: {error}"
        ) from error


def image_names(table: pd.DataFrame) -> list[str]:
    """The names of the images that a table's rows speak of; their numbers where it has no such column."""
    column = image_column_of(table)
    return [str(name) for name in (table.index if column is None else table[column])]


def labels_for(images: Sequence[str], path: Path, classes: Sequence[str]) -> NDArray[np.int_]:
    """The true class of each image, from a file of labels.

    Args:
        images: (N,) image names as predicted; matched by full name, or by file name where no full name fits.
        path: a table with a column ``image`` and a column ``true_label`` (a class name, or an index into ``classes``);
            without an image column its rows are taken in the order of the images.
        classes: (C,) class names.

    Returns:
        (N,) int, 0 to C - 1; NO_LABEL for an image the file does not mention.

    Raises:
        InputError: a column is missing, a label is no class, a name stands for several images, or no image has a label.
    """
    return labels_in(rows_for(images, path), path, classes)


def labels_in(table: pd.DataFrame, path: Path, classes: Sequence[str]) -> NDArray[np.int_]:
    """(N,) int, the true class that each row of a table of labels names; NO_LABEL where the cell is empty."""
    return class_indices(_column(table, _LABEL_COLUMNS, path), classes, path)


def rows_for(images: Sequence[str], path: Path) -> pd.DataFrame:
    """The row of a file of labels that speaks of each image, in the order of the images; empty cells where none does.

    Raises:
        InputError: a name stands for several images, or the file names none of them.
    """
    table = read_table(path)
    rows = rows_by_image(images, table, path)
    if not (rows >= 0).any():
        raise InputError(f"expected labels for the {len(images)} images in {path}, but it names none of them")
    return table.reindex(np.where(rows >= 0, rows, len(table))).reset_index(drop=True)


def names_in(table: pd.DataFrame, column: str, path: Path) -> NDArray[np.object_]:
    """(N,) names from a column that the user asked for; ages are put into bands, an empty cell is an empty name.

    Raises:
        InputError: there is no such column.
    """
    if column not in table.columns:
        known = ", ".join(map(str, table.columns))
        raise InputError(f"expected a column {column!r} in {path}, but its columns are: {known}")
    if column.lower().startswith("age"):
        return age_bands(pd.to_numeric(table[column], errors="coerce").to_numpy()).astype(object)
    return np.array([cell_name(value) for value in table[column]], dtype=object)


def own_labels(table: pd.DataFrame, path: Path, classes: Sequence[str]) -> NDArray[np.int_]:
    """(N,) int, the true class of each row of a prediction table that carries a column ``true_label`` itself."""
    return class_indices(_column(table, ("true_label",), path), classes, path)


def class_indices(labels: Iterable[object], classes: Sequence[str], path: Path) -> NDArray[np.int_]:
    """The index into ``classes`` of every label, which is a class name or already such an index.

    Returns:
        (N,) int, 0 to C - 1; NO_LABEL where the label is empty.

    Raises:
        InputError: a label is neither; the sentence names it and the closest class.
    """
    index_of = {"": NO_LABEL} | {str(index): index for index in range(len(classes))}
    index_of |= {name.casefold(): index for index, name in enumerate(classes)}  # a class named "3" means that class
    keys = [label_key(label) for label in labels]
    for key in keys:
        if key not in index_of:
            hint = did_you_mean(key, classes) or f" The classes are: {', '.join(classes)}"
            raise InputError(f"{path} has the label {key!r}, which is none of the {len(classes)} classes.{hint}")
    return np.array([index_of[key] for key in keys], dtype=np.int_)


def class_probabilities(
    table: pd.DataFrame, path: Path, classes: Sequence[str], order: Sequence[str] | None = None
) -> NDArray[np.float64] | None:
    """(N, C) float64, one column a class, from whatever a tool calls its columns; NaN where there is no prediction.

    Columns are ``probability_class_0`` onwards, or the names of the classes, bare or after ``probability_`` or
    ``prob_``, with blanks or underscores. Only probabilities are taken: logits have to go through a softmax first.

    Args:
        table: one row per image.
        path: where it is from, for messages.
        classes: (C,) class names, in the order of the result.
        order: the class that each ``probability_class_i`` stands for; None: the order of ``classes``.

    Returns:
        The probabilities, or None when the table has no such columns.

    Raises:
        InputError: columns for some classes only, or rows that are no probabilities.
    """
    numbered = [str(name) for name in table.columns if str(name).startswith("probability_class_")]
    columns = _numbered(numbered, path, classes, order or classes) if numbered else _named(table.columns, path, classes)
    if columns is None:
        return None
    rows = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    known = ~np.isnan(rows).any(axis=1)
    sound = (rows[known] >= 0).all(axis=1) & (np.abs(rows[known].sum(axis=1) - 1) <= _ROW_SUM_TOLERANCE)
    if not sound.all():
        bad = rows[known][~sound][0]
        raise InputError(
            f"expected probabilities in {path}: numbers from 0 that sum to 1 over the {len(classes)} classes, but a "
            f"row is {np.round(bad, 3).tolist()}; put logits through a softmax, and name every class"
        )
    return rows


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


def _named(columns: Iterable[object], path: Path, classes: Sequence[str]) -> list[str] | None:
    """The columns named after the classes, in their order; None when not one of them is."""
    column_of = {_class_of_column(str(column)): str(column) for column in columns}
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


def predicted_classes(table: pd.DataFrame, path: Path, classes: Sequence[str]) -> NDArray[np.int_]:
    """(N,) int from the column ``label``; NO_LABEL where it is empty, because the image could not be classified."""
    return class_indices(_column(table, ("label",), path), classes, path)


def _column(table: pd.DataFrame, names: Sequence[str], path: Path) -> pd.Series:
    """The first of the named columns that the table has."""
    for name in names:
        if name in table.columns:
            return table[name]
    wanted = " or ".join(f"'{name}'" for name in names)
    raise InputError(f"expected a column {wanted} in {path}, but its columns are: {', '.join(map(str, table.columns))}")
