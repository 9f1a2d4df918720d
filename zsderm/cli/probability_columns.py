"""The columns of a table that hold the probability of each class, whatever a tool calls them.

Letters: N rows, C classes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from zsderm.class_labels import NO_LABEL, class_indices, nearest_class, places, same_diseases
from zsderm.errors import InputError, did_you_mean
from zsderm.image_table import ImageTable, known_column
from zsderm.long_tables import STATED, is_long
from zsderm.table_files import numbers

_NUMBERED = re.compile(r"probability_class_(?P<index>\d+)", re.IGNORECASE)
_PREFIXED = re.compile(r"(?:probability|prob)[\s_:.-]+(?P<name>.+)", re.IGNORECASE)
# Columns of zsderm beside its probabilities. A class may be called like one of them, "2" or "error" for example.
_RANK = re.compile(r"(?:label|probability)_\d+")
# fmt: off
_BESIDE = frozenset({
    "label", "true_label", "probability", "familiarity", "prediction_set", "abstained", "group", "images", "unreadable",
    "agreement", "method", "evidence", "error", "classes", "manifest", "class", "rank", "in_prediction_set",
    "descriptions",
})
# fmt: on
_NEVER = frozenset({"label", "true_label"})
_ROW_SUM_TOLERANCE = 1e-2  # tables of other tools are rounded, some to three decimals
_TIE = 1e-6  # probabilities that differ by less are equal: tables are written with seven digits


def class_probabilities(
    table: ImageTable, classes: Sequence[str], order: Sequence[str] | None = None
) -> NDArray[np.float64] | None:
    """(N, C) float64, one column a class, from whatever a tool calls its columns; NaN where there is no prediction.

    Columns are ``probability: NAME``, as zsderm writes them; or the names of the classes, bare or after
    ``probability_`` or ``prob_``, with blanks or underscores; or ``probability_class_0`` onwards. Only probabilities
    are taken: logits have to go through a softmax first. A column ``label`` has to name the most probable class of
    each row.

    Args:
        table: one row per image.
        classes: (C,) class names, in the order of the result.
        order: the class that each ``probability_class_i`` stands for; None: the order of ``classes``.

    Returns:
        The probabilities, or None when the table has no such columns.

    Raises:
        InputError: no column or several for a class, one for a class that is not asked for, a cell that is no number,
            rows that are no probabilities, or another ``label``.
    """
    found = _columns(table, classes, order or classes)
    if not any(found):
        return None
    _check_one_each(found, classes, table.path)
    rows = np.stack([_probabilities(table, column) for (column,) in found], axis=1)  # (N, C)
    _check_rows(rows, table, classes)
    _check_label(rows, table, classes)
    return rows


def are_predictions(table: ImageTable) -> bool:
    """Whether a table has probabilities as zsderm writes them, so that its column ``label`` is an answer."""
    return is_long(table) or any(STATED.fullmatch(name) or _NUMBERED.fullmatch(name) for name in table.frame)


def _columns(table: ImageTable, classes: Sequence[str], order: Sequence[str]) -> list[list[str]]:
    """(C,) the columns that could hold the probabilities of each class."""
    names = [name for name in table.frame if name != table.image_column]
    stated = {name: match["name"].strip() for name in names if (match := STATED.fullmatch(name))}
    spelled = places(names, classes)  # a class may be called "probability class 0"
    numbered = {name: int(m["index"]) for name in names if name not in spelled and (m := _NUMBERED.fullmatch(name))}
    found: list[list[str]] = [[] for _ in classes]
    for name, index in _stated(stated, classes, table.path).items():
        found[index].append(name)
    for name, index in _numbered(numbered, classes, order, table.path).items():
        found[index].append(name)
    bare = {name: index for name, index in spelled.items() if name.casefold() not in _NEVER}
    complete = set(bare.values()) == set(range(len(classes)))  # these are meant, whatever stands in them
    ours = bool(stated or numbered)
    for name in names:
        word = name.casefold()
        if (
            name in stated
            or name in numbered
            or word in _NEVER
            or (ours and (word in _BESIDE or _RANK.fullmatch(word)))
        ):
            continue
        prefixed = _PREFIXED.fullmatch(name)
        for index in places([prefixed["name"]], classes).values() if prefixed else ():
            found[index].append(name)
        if name in spelled and name not in found[spelled[name]]:
            values, wrong = numbers(table.column(name))
            if np.isfinite(values).any() or (complete and wrong.any()):
                found[spelled[name]].append(name)
    return found


def _stated(stated: dict[str, str], classes: Sequence[str], path: Path) -> dict[str, int]:
    """The class of each column ``probability: NAME``."""
    if not stated:
        return {}
    names = list(stated.values())
    place = places(names, classes)
    if strangers := [name for name in names if name not in place]:
        place |= same_diseases(strangers, names, classes, path)
    if unasked := [name for name in names if name not in place]:
        hint = nearest_class(unasked[0], classes)
        raise InputError(
            f"{path} has probabilities of {', '.join(map(repr, unasked[:3]))}, which is none of the {len(classes)} "
            f"classes asked for.{hint} Give --classes the list that the predictions were made with"
        )
    return {column: place[name] for column, name in stated.items()}


def _numbered(numbered: dict[str, int], classes: Sequence[str], order: Sequence[str], path: Path) -> dict[str, int]:
    """The class of each column ``probability_class_i``, which stands for ``order[i]``."""
    if not numbered:
        return {}
    if sorted(numbered.values()) != list(range(len(order))):
        raise InputError(
            f"expected {len(order)} columns probability_class_0 to probability_class_{len(order) - 1} in {path}, one "
            f"for each class, but got {len(numbered)}; give --classes the list that the predictions were made with"
        )
    place = places(order, classes)
    if missing := [name for index, name in enumerate(classes) if index not in place.values()]:
        hint = did_you_mean(missing[0], order)
        raise InputError(f"expected every class in the class map of {path}, but {missing[0]!r} is not there.{hint}")
    return {column: place[order[index]] for column, index in numbered.items() if order[index] in place}


def _check_one_each(found: Sequence[Sequence[str]], classes: Sequence[str], path: Path) -> None:
    if missing := [name for name, columns in zip(classes, found, strict=True) if not columns]:
        raise InputError(
            f"expected a column for each of the {len(classes)} classes in {path}, but there is none for: "
            f"{', '.join(missing)}"
        )
    for name, columns in zip(classes, found, strict=True):
        if len(columns) > 1:
            raise InputError(
                f"expected one column of probabilities of {name!r} in {path}, but it could be "
                f"{' or '.join(map(repr, columns))}; rename or remove the one that is something else"
            )


def _probabilities(table: ImageTable, column: str) -> NDArray[np.float64]:
    """(N,) float64, NaN where a cell is empty."""
    if column in table.frame and is_numeric_dtype(table.frame[column]):
        return table.frame[column].to_numpy(np.float64)
    cells = table.column(column)
    values, wrong = numbers(cells)
    if wrong.any():
        raise InputError(
            f"expected probabilities in column {column!r} of {table.path}, but a cell is {cells[int(wrong.argmax())]!r}"
        )
    return values


def _check_rows(rows: NDArray[np.float64], table: ImageTable, classes: Sequence[str]) -> None:
    absent = np.isnan(rows)
    known = ~absent.any(axis=1)
    if (part := absent.any(axis=1) & ~absent.all(axis=1)).any():
        row = int(part.argmax())
        raise InputError(
            f"expected a probability of every class in {table.path}, or of none where an image has no prediction, but "
            f"{_row(table, row)} has none of {classes[int(absent[row].argmax())]!r}"
        )
    sound = (rows[known] >= 0).all(axis=1) & (np.abs(rows[known].sum(axis=1) - 1) <= _ROW_SUM_TOLERANCE)
    if not sound.all():
        bad = rows[known][~sound][0]
        raise InputError(
            f"expected probabilities in {table.path}: numbers from 0 that sum to 1 over the {len(classes)} classes, "
            f"but a row is {np.round(bad, 3).tolist()}; put logits through a softmax, and name every class"
        )


def _check_label(rows: NDArray[np.float64], table: ImageTable, classes: Sequence[str]) -> None:
    """Refuse another label than the most probable class, as of columns in another order; and one without a number."""
    column = known_column(table.frame.columns, ("label",))
    if not column:
        return
    labels = class_indices(table.column(column), classes, table.path)
    named = np.flatnonzero(labels != NO_LABEL)
    if (without := named[np.isnan(rows[named]).any(axis=1)]).size:
        raise InputError(
            f"expected probabilities for every row of {table.path} with a label, but {_row(table, int(without[0]))} is "
            f"{classes[labels[without[0]]]!r} and has none ({without.size} of {len(named)} rows); leave the label "
            "empty where there is no prediction"
        )
    wrong = named[rows[named, labels[named]] < rows[named].max(axis=1) - _TIE]
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"expected the column {column!r} of {table.path} to name the most probable class, but {_row(table, row)} "
            f"has {classes[labels[row]]!r} there and most of its probability on {classes[int(rows[row].argmax())]!r} "
            f"({len(wrong)} of {len(named)} rows); give --classes in the order in which the predictions were made, or "
            "rename the column to true_label if it is the true class"
        )


def _row(table: ImageTable, row: int) -> str:
    return f"{table.names[row]!r}" if table.names[row] else f"row {row + 1}"
