"""Which class a word in a table means: a name, an index, or a code or another name of the same disease.

Letters: N cells, C classes.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.errors import InputError, WrongTypeError, ZsdermWarning, did_you_mean
from zsderm.knowledge.names import caseless
from zsderm.table_files import numbers, whole_numbers
from zsderm.wording import agrees, counted

NO_LABEL = -1


def class_indices(
    labels: Sequence[str], classes: Sequence[str], path: Path | str, *, advice: str = ""
) -> NDArray[np.int_]:
    """The index into ``classes`` of every label.

    A label is a class name (case, "_", "-" and blanks make no difference), an index into the classes where none of
    them is called like a number, a name or code of the same disease as `zsderm classify` reads it, or a disease that a
    class holds ("solar lentigo" for "benign keratosis"); a warning says which were read in that way.

    Args:
        labels: N cells.
        classes: C names.
        path: the table, or what else holds the labels, for the error and the warning.
        advice: what to do about a label that is no class, as a sentence.

    Returns:
        (N,) int, 0 to C - 1; NO_LABEL where the label is empty.

    Raises:
        InputError: a label is none of these; the sentence names it, and the closest class where it may be misspelt.
    """
    place = places(dict.fromkeys(labels), classes)
    if any(label and label not in place for label in labels):  # a column of numbers with gaps
        labels = whole_numbers(labels)
        place |= places(dict.fromkeys(labels), classes)
        place |= _indices(classes)
    strangers = [label for label in dict.fromkeys(labels) if label and label not in place]
    place |= same_diseases(strangers, list(dict.fromkeys(labels)), classes, path) if strangers else {}
    if unknown := [label for label in strangers if label not in place]:
        first, others = unknown[0], len(unknown) - 1
        more = f" (nor {agrees(others, 'is', 'are')} {counted(others, 'other label')})" if others else ""
        hint = nearest_class(first, classes) or f" The classes are: {', '.join(classes)}."
        stranger = f"{path} has the label {first!r}, which is none of the {len(classes)} classes{more}."
        raise InputError(f"{stranger}{hint} {advice}".rstrip())
    return np.array([place[label] if label else NO_LABEL for label in labels], dtype=np.int_)


def true_classes(given: object, classes: Sequence[str]) -> list[str]:
    """The names of true classes, as they are given in Python: by name or index, as `class_indices` reads a column.

    Args:
        given: N names or indices: a list, an array, a tensor or a column of pandas; empty, None or NaN where the class
            is not known.
        classes: C names.

    Returns:
        N names of ``classes``; empty where the class is not known.

    Raises:
        InputError: a label is no class.
        WrongTypeError: it is no list.

    Warns:
        ZsdermWarning: a label is another name of a class.
    """
    cells = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(cells, str | bytes) or not isinstance(cells, Sequence) or not all(map(pd.api.types.is_scalar, cells)):
        raise WrongTypeError(f"Expected `true` to be a list, one class for each image, but got {given!r:.60}.")
    told = ["" if pd.isna(cell) else str(cell) for cell in cells]
    return ["" if index == NO_LABEL else classes[index] for index in class_indices(told, classes, "`true`").tolist()]


def places(names: Sequence[str] | Mapping[str, object], classes: Sequence[str]) -> dict[str, int]:
    """The index of the class that each name spells; names that spell none are left out."""
    exact = {caseless(name): index for index, name in enumerate(classes)}
    shared = Counter(map(_loose, classes))
    loose = {_loose(name): index for index, name in enumerate(classes) if shared[_loose(name)] == 1}
    found = {name: exact.get(caseless(name), loose.get(_loose(name))) for name in names}
    return {name: index for name, index in found.items() if index is not None}


def same_diseases(
    strangers: Sequence[str], together: Sequence[str], classes: Sequence[str], path: Path | str
) -> dict[str, int]:
    """The index of the class that each name counts for, with a warning; see `zsderm.knowledge.same_disease`.

    Args:
        strangers: names that spell no class.
        together: all names of their column: codes of a data set are read as such in company.
        classes: C names.
        path: the table, for the warning.
    """
    from zsderm.knowledge import KnowledgeBase
    from zsderm.knowledge.same_disease import same_diseases as read_as

    found = read_as(strangers, together, classes, KnowledgeBase.load(DEFAULT_KNOWLEDGE))
    for told in found.told(classes):
        warnings.warn(f"{path}: {told}.", ZsdermWarning, stacklevel=3)
    return found.places


def nearest_class(name: str, classes: Sequence[str]) -> str:
    """A sentence that asks whether a class was meant by a name; empty where the name is another disease."""
    from zsderm.knowledge import KnowledgeBase
    from zsderm.knowledge.class_names import disease_of

    hint = did_you_mean(name, classes)
    return "" if hint and disease_of(name, KnowledgeBase.load(DEFAULT_KNOWLEDGE)) else hint


def _indices(classes: Sequence[str]) -> dict[str, int]:
    """The classes by number, unless one of them is called like a number: "1" for the class "01" would be another."""
    if np.isfinite(numbers(classes)[0]).any():
        return {}
    return {str(index): index for index in range(len(classes))}


def _loose(name: str) -> str:
    return " ".join(re.sub("[_-]", " ", caseless(name)).split())
