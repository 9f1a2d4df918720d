"""Tables of predictions with one row for each image and class, beside those with one row for each image.

Programs that draw and group (ggplot2, seaborn, SQL) want such long tables. `long_frame` makes one, and `as_wide` gives
back the row of each image, so that whatever reads predictions reads both.

Letters: N images, C classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm.errors import InputError
from zsderm.image_table import ImageTable, known_column

LAYOUTS = ("wide", "long")
CLASS, PROBABILITY = "class", "probability"
STATED = re.compile(r"probability\s*:\s*(?P<name>.+)", re.IGNORECASE)  # the columns of a wide table


def probability_column(name: str) -> str:
    """What a wide table calls the column with the probabilities of a class.

    >>> probability_column("melanoma")
    'probability: melanoma'
    """
    return f"probability: {name}"


def long_frame(rows: pd.DataFrame, classes: Sequence[str], cells: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """One row for each image and class, in the order of the images and, within an image, of the classes.

    Args:
        rows: (N, ...) what is said of each image; its first column names the image. What it says is repeated.
        classes: C names.
        cells: (N, C) each, what is said of an image and a class, ``probability`` among it.

    Returns:
        (N x C, ...): the image, ``class``, ``rank`` (1 for the most probable, equal ones in the order of the classes;
        empty without probabilities), the cells, then what is said of the image. ``evidence``, which is of the most
        probable class, stands in its row only.
    """
    count = len(classes)
    shares = cells[PROBABILITY]  # (N, C)
    ranks = np.argsort(np.argsort(-shares, axis=1, kind="stable"), axis=1, kind="stable") + 1  # (N, C)
    known = ~np.isnan(shares).any(axis=1).repeat(count)
    frame = rows.loc[rows.index.repeat(count)].reset_index(drop=True)
    frame.insert(1, CLASS, np.tile(np.array(classes, dtype=object), len(rows)))
    frame.insert(2, "rank", pd.array(ranks.ravel(), dtype="Int64"))
    frame.loc[~known, "rank"] = pd.NA
    for place, (name, values) in enumerate(cells.items(), start=3):
        frame.insert(place, name, values.ravel())
    if "evidence" in frame:
        frame["evidence"] = frame["evidence"].where(known & (ranks.ravel() == 1), "")
    return frame


def is_long(table: ImageTable) -> bool:
    """Whether a table has a row for each image and class: columns class and probability, and images named twice."""
    columns = table.frame.columns
    if not table.image_column or is_stated(table):
        return False
    named = all(known_column(columns, (name,)) for name in (CLASS, PROBABILITY))
    return named and bool(pd.Series(table.names, dtype=object).duplicated().any())


def is_stated(table: ImageTable) -> bool:
    """Whether a table has columns of probabilities as wide tables of zsderm have them."""
    return any(STATED.fullmatch(name) for name in table.frame.columns)


def as_wide(table: ImageTable) -> ImageTable:
    """A long table with one row for each image and a column of probabilities for each class; any other as it is.

    Columns that say the same in all rows of an image are kept.

    Raises:
        InputError: two rows of one image and class, or a row without a class.
    """
    if not is_long(table):
        return table
    class_column, share_column = (known_column(table.frame.columns, (name,)) for name in (CLASS, PROBABILITY))
    named = table.column(class_column)
    image_of, images = pd.factorize(np.array(table.names, dtype=object))
    class_of, classes = pd.factorize(np.array(named, dtype=object))
    pairs = pd.Series(image_of * len(classes) + class_of)
    for row in np.flatnonzero(pairs.duplicated() | np.array([not name for name in named])):
        what = f"{named[row]!r} twice" if named[row] else "a row without a class"
        raise InputError(
            f"expected one row for each image and class in {table.path}, but {table.names[row]!r} has {what}"
        )
    shares = np.full((len(images), len(classes)), "", dtype=object)
    shares[image_of, class_of] = table.frame[share_column].to_numpy()
    first = np.unique(image_of, return_index=True)[1]
    others = {name: table.frame[name].to_numpy() for name in table.frame if name not in (class_column, share_column)}
    kept = {name: cells[first] for name, cells in others.items() if (cells == cells[first][image_of]).all()}
    wide = {probability_column(name): shares[:, place] for place, name in enumerate(classes)}
    return replace(table, frame=pd.DataFrame({**kept, **wide}, dtype=object), whole=None)
