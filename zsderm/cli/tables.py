"""The tables the commands read: predictions and true labels, matched by image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm.errors import InputError, did_you_mean

_IMAGE_COLUMNS = ("image", "filename", "file", "path", "img_id", "image_id")
_LABEL_COLUMNS = ("true_label", "label", "class", "diagnosis")
NO_LABEL = -1


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
    table = read_table(path)
    rows = _rows_by_image(images, table, path)
    found = rows >= 0
    if not found.any():
        raise InputError(f"expected labels for the {len(images)} images in {path}, but it names none of them")
    labels = _column(table, _LABEL_COLUMNS, path).iloc[rows[found]]
    true = np.full(len(images), NO_LABEL)
    true[found] = class_indices(labels, classes, path)
    return true


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
    keys = [_key(label) for label in labels]
    for key in keys:
        if key not in index_of:
            hint = did_you_mean(key, classes) or f" The classes are: {', '.join(classes)}"
            raise InputError(f"{path} has the label {key!r}, which is none of the {len(classes)} classes.{hint}")
    return np.array([index_of[key] for key in keys], dtype=np.int_)


def class_probabilities(table: pd.DataFrame, path: Path, class_count: int) -> NDArray[np.float64] | None:
    """(N, C) float64 from the columns ``probability_class_0`` onwards, NaN rows where there is no prediction.

    Returns:
        The probabilities, or None when the table has no such columns.

    Raises:
        InputError: there are such columns, but not one for each class.
    """
    wanted = [f"probability_class_{index}" for index in range(class_count)]
    present = [name for name in table.columns if str(name).startswith("probability_class_")]
    if not present:
        return None
    if set(present) != set(wanted):
        raise InputError(
            f"expected {class_count} columns probability_class_0 to probability_class_{class_count - 1} in {path}, one "
            f"for each class, but got {len(present)}; give --classes the list that the predictions were made with"
        )
    return table[wanted].to_numpy(dtype=np.float64)


def predicted_classes(table: pd.DataFrame, path: Path, classes: Sequence[str]) -> NDArray[np.int_]:
    """(N,) int from the column ``label``; NO_LABEL where it is empty, because the image could not be classified."""
    return class_indices(_column(table, ("label",), path), classes, path)


def _rows_by_image(images: Sequence[str], table: pd.DataFrame, path: Path) -> NDArray[np.int_]:
    """(N,) int, the row of ``table`` that speaks of each image; -1 where none does."""
    column = next((name for name in _IMAGE_COLUMNS if name in table.columns), None)
    if column is None:
        if len(table) != len(images):
            raise InputError(
                f"expected a column 'image' in {path}, or one row for each of the {len(images)} images in their order, "
                f"but it has {len(table)} rows and the columns: {', '.join(map(str, table.columns))}"
            )
        return np.arange(len(images))
    names = [str(name) for name in table[column]]
    rows = _positions(images, names, path)
    if (rows < 0).all():
        rows = _positions([PurePath(name).name for name in images], [PurePath(name).name for name in names], path)
    return rows


def _positions(images: Sequence[str], names: Sequence[str], path: Path) -> NDArray[np.int_]:
    """(N,) int, where in ``names`` each image stands; -1 where it does not."""
    row_of = {name: row for row, name in enumerate(names)}
    if len(row_of) < len(names) or len(set(images)) < len(images):
        raise InputError(
            f"expected every image once, but in {path} or the predictions one name stands for several images"
        )
    return np.array([row_of.get(name, -1) for name in images], dtype=np.int_)


def _column(table: pd.DataFrame, names: Sequence[str], path: Path) -> pd.Series:
    """The first of the named columns that the table has."""
    for name in names:
        if name in table.columns:
            return table[name]
    wanted = " or ".join(f"'{name}'" for name in names)
    raise InputError(f"expected a column {wanted} in {path}, but its columns are: {', '.join(map(str, table.columns))}")


def _key(label: object) -> str:
    """A label as it is looked up: a whole number that was read as a float loses its '.0', a name its case."""
    if pd.isna(label):
        return ""
    return str(int(label) if isinstance(label, float) and label.is_integer() else label).strip().casefold()
