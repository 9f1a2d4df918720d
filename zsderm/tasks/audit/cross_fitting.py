"""What each photograph's label should be, judged by the other photographs: a small classifier on their embeddings.

Letters: N photographs, D embedding width, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

FOLDS = 5
# Of 59 labels swapped in HAM10000 dev, 1, 10 and 100 put 19.6, 19.8 and 17.4 among the first twenty (mean of five
# seeds); of 6 in PAD dev, 4.4, 5.1 and 4.9 (ten seeds).
INVERSE_PENALTY = 10.0
NO_LABEL = -1

Integers = npt.NDArray[np.int64]


def cross_fitted(
    features: npt.NDArray[np.float32], labels: Integers, groups: Integers, classes: int, seed: int = 0
) -> npt.NDArray[np.float64]:
    """The probability of each class for each photograph, from a classifier that saw no photograph of its group.

    Five logistic regressions on the embeddings, each fitted on four fifths of the groups and asked for the rest. A
    class with fewer groups than folds takes no part: its photographs would be held against too few others.

    Args:
        features: (N, D) unit rows.
        labels: (N,) int, 0 to C - 1; NO_LABEL for a photograph that is not to be judged.
        groups: (N,) int, equal for photographs of one patient or lesion, and for copies.
        classes: C.
        seed: of the division.

    Returns:
        (N, C) float64, rows that sum to 1; NaN for photographs that take no part, 0 for classes that take no part.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    table = np.full((len(labels), classes), np.nan)
    rows = np.flatnonzero(np.isin(labels, checkable(labels, groups)))
    own, given = features[rows], labels[rows]
    if len(np.unique(given)) < 2:
        return table
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for fitted, asked in folds.split(own, given, groups[rows]):
        model = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000).fit(own[fitted], given[fitted])
        table[rows[asked]] = 0.0
        table[np.ix_(rows[asked], model.classes_)] = model.predict_proba(own[asked])
    return table


def checkable(labels: Integers, groups: Integers) -> Integers:
    """The classes that have at least as many groups as there are folds."""
    known = labels != NO_LABEL
    pairs = np.unique(np.stack([labels[known], groups[known]]), axis=1)
    classes, counts = np.unique(pairs[0], return_counts=True)
    return classes[counts >= FOLDS]


def joined(count: int, names: Iterable[Sequence[str]], pairs: Iterable[tuple[int, int]] = ()) -> Integers:
    """(N,) int, one number for all photographs that a name or a pair joins, however far apart in a chain.

    Args:
        count: N.
        names: for each column, such as patient_id, the N names in it; an empty one joins nobody.
        pairs: rows that belong together, such as copies.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = list(pairs)
    for column in names:
        first: dict[str, int] = {}
        links += [(first.setdefault(name, row), row) for row, name in enumerate(column) if name]
    one, other = np.array(links, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)
