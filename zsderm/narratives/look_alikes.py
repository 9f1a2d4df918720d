"""Which diseases are alike by what the knowledge base says: wrong answers that are worth asking about.

Letters: C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zsderm.knowledge import KnowledgeBase


def likeness(classes: Sequence[str], knowledge: KnowledgeBase) -> NDArray[np.float64]:
    """How alike the base holds two diseases for: common share of their paths in the ontology, and of their signs.

    Args:
        classes: C names of diseases of the base.
        knowledge: the base.

    Returns:
        (C, C) float64, symmetric, from 0 to 2; two diseases of one path and with the same signs have 2.

    Raises:
        UnknownClassError: a name is of no disease of the base.
    """
    found = [knowledge.find(name) for name in classes]
    table = np.zeros((len(found), len(found)))
    for row, one in enumerate(found):
        for column, other in enumerate(found):
            pairs = list(zip(one.ontology, other.ontology, strict=False))
            common = next((level for level, (a, b) in enumerate(pairs) if a != b), len(pairs))
            longest = max(len(one.ontology), len(other.ontology), 1)
            signs, shared = {*one.concepts, *other.concepts}, {*one.concepts} & {*other.concepts}
            table[row, column] = common / longest + len(shared) / max(len(signs), 1)
    return table


def chapter_of(name: str, knowledge: KnowledgeBase) -> str:
    """The second level of a disease's path in the ontology ("infectious", "malignant"); the first without a second.

    Raises:
        UnknownClassError: the name is of no disease of the base.
    """
    path = knowledge.find(name).ontology
    return path[min(1, len(path) - 1)] if path else "other"
