"""Which labels are probably wrong: confident learning, by cleanlab.

Letters: N photographs, C classes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zsderm.optional_packages import requires
from zsderm.tasks.audit.cross_fitting import NO_LABEL

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelDoubts:
    """How doubtful each label is.

    Attributes:
        quality: (N,) float64 from 0 (surely wrong) to 1; NaN for a photograph that could not be judged.
        doubtful: (N,) bool, the labels that confident learning takes for wrong.
        suggested: (N,) int, the most probable class; NO_LABEL for a photograph that could not be judged.
    """

    quality: Floats
    doubtful: npt.NDArray[np.bool_]
    suggested: Integers

    @classmethod
    def none(cls, count: int) -> LabelDoubts:
        """Of N photographs none of which could be judged."""
        return cls(np.full(count, np.nan), np.zeros(count, bool), np.full(count, NO_LABEL, np.int64))


def label_doubts(labels: Integers, probabilities: Floats) -> LabelDoubts:
    """Hold labels against probabilities that were made without them.

    The quality of a label is the probability of its class. A label is doubtful where another class is more probable
    for the photograph than it is, in the mean, for its own photographs; of each pair of classes so many are taken as
    the counts of such photographs lead to expect.

    Args:
        labels: (N,) int, 0 to C - 1; NO_LABEL where there is none.
        probabilities: (N, C), from a model that did not see the label of the row; NaN where there are none.

    Raises:
        MissingDependencyError: cleanlab is not installed.

    Source: Northcutt, Jiang and Chuang, Confident Learning, JAIR 2021, in cleanlab's ``get_label_quality_scores`` and
        ``find_label_issues``.
    """
    with requires("zsderm[audit]", "finding label errors"):
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores

    judged = np.flatnonzero((labels != NO_LABEL) & np.isfinite(probabilities).all(axis=1))
    found = LabelDoubts.none(len(labels))
    if judged.size:
        given, rows = labels[judged], probabilities[judged] / probabilities[judged].sum(axis=1, keepdims=True)
        found.quality[judged] = get_label_quality_scores(given, rows, method="self_confidence")
        with warnings.catch_warnings():
            # A class that keeps its only photographs is no news: these have a quality all the same.
            warnings.filterwarnings("ignore", "May not flag all label issues", UserWarning)
            found.doubtful[judged] = find_label_issues(given, rows, n_jobs=1)
        found.suggested[judged] = rows.argmax(axis=1)
    return found
