"""Which diagnoses hold for an image of a label: the label's disease, what pools it, and how far the others are.

A pooled label ("benign keratosis-like lesion") says that one of several diseases is there. So each of its members may
be true of the image, and counts as true; and of an image of a member, the pool is true. A disease with kinds
("melanoma") is true of an image of a kind, while a label of the disease says nothing of the kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from zsderm import KnowledgeBase, PretrainingDataError
from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.knowledge.card import KnowledgeCard
from zsderm.knowledge.library import locate
from zsderm.knowledge.pools import members_of
from zsderm.pretrain.extraction.ontology import Ontology

TEMPERATURE = 0.07  # of the distance in the ontology (O-MAKE, arXiv 2512.03445)


class Diagnoses:
    """The K diagnoses that captions of some labels are about, and how far each holds for images of each label.

    The diagnoses are the diseases and pools that the labels name, the members of these pools, and the groups of the
    ontology above them, each under one name.

    Args:
        knowledge: the base that captions are written from; its base.json says what groups, pools and kinds there are.
        labels: diagnoses as the data sets spell them; repeated ones count once, empty ones not at all.

    Raises:
        UnknownClassError: if the base does not hold a label.
    """

    def __init__(self, knowledge: KnowledgeBase, labels: Iterable[str]) -> None:
        self._pools = _pools(knowledge)
        self._kinds = {name: members_of(knowledge.card, name) for name in knowledge.card.kinds}
        self._names = {label: knowledge.find(label).name for label in sorted(set(labels) - {""})}
        named = sorted(set(self._names.values()))
        leaves = sorted({member for name in named for member in self._members(name)} | set(named) - set(self._pools))
        ontology = Ontology.load()
        above = {name: ontology.path(disease.ontology) for name, disease in knowledge.diseases.items()}
        self._paths = {name: (*above[name], name) for name in leaves}
        self._groups: dict[str, list[tuple[str, ...]]] = {}
        for group in sorted({path[:depth] for path in self._paths.values() for depth in range(1, len(path))}):
            self._groups.setdefault(group[-1], []).append(group)
        self._longest = 2 * (1 + max((len(path) for path in above.values()), default=0))
        self.nodes = tuple(dict.fromkeys([*named, *leaves, *self._groups]))
        self._index = {name: place for place, name in enumerate(self.nodes)}
        distances = {name: self._distances(name) for name in named}
        self._distance = {label: distances[name] for label, name in self._names.items()}

    def members(self, label: str) -> tuple[str, ...]:
        """The diseases of which one is there, by their canonical names: the label's own, or the members of a pool.

        Raises:
            PretrainingDataError: if it is none of the labels.
        """
        if label not in self._names:
            raise PretrainingDataError(f"Expected a label of the training data, but got {label!r}.")
        return self._members(self._names[label])

    def index(self, node: str) -> int:
        """The place of a diagnosis in [0, K); -1 for an empty name.

        Raises:
            PretrainingDataError: if it is none of the diagnoses.
        """
        if node and node not in self._index:
            raise PretrainingDataError(f"Expected a diagnosis that the labels lead to, but got {node!r}.")
        return self._index[node] if node else -1

    def affinity(self, label: str, soft: bool = False) -> NDArray[np.float32]:
        """How far each diagnosis holds for an image of a label.

        Args:
            label: one of the labels, or empty for an image without one.
            soft: whether diagnoses that do not hold count by their nearness.

        Returns:
            (K,) float32: 1 where a diagnosis holds; elsewhere 0, or exp(-distance / 0.07) where `soft`. The distance is
            the number of steps in the ontology, divided by the largest that the base may have, so in [0, 1]; divided by
            its sum over candidates, the exponential is their softmax. All 0 for an image without a label.

        Raises:
            PretrainingDataError: if it is none of the labels.

        Source of the soft form: O-MAKE (arXiv 2512.03445); how distances are brought to [0, 1] is our reading.
        """
        if not label:
            return np.zeros(len(self.nodes), dtype=np.float32)
        if label not in self._distance:
            raise PretrainingDataError(f"Expected a label of the training data, but got {label!r}.")
        distance = self._distance[label]
        return (np.exp(-distance / TEMPERATURE) if soft else distance == 0).astype(np.float32)

    def _members(self, name: str) -> tuple[str, ...]:
        return self._pools.get(name, (name,))

    def _distances(self, name: str) -> NDArray[np.float64]:
        """(K,) steps in the ontology from the nearest member of a name, in [0, 1]; 0 where a diagnosis holds."""
        paths = [self._paths[member] for member in self._members(name)]
        steps = [min(_steps(own, path) for own in paths for path in self._reached(node)) for node in self.nodes]
        return np.array(steps, dtype=np.float64) / self._longest

    def _reached(self, node: str) -> Sequence[tuple[str, ...]]:
        """The paths of a diagnosis: its own and its kinds', those of a pool's members, or of groups of its name."""
        members = (*self._members(node), *sorted(self._kinds.get(node, ())))
        return [self._paths[member] for member in members if member in self._paths] + self._groups.get(node, [])


def _steps(disease: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Steps between two places of the tree; none up to a group that the disease is in."""
    common = next((n for n, (a, b) in enumerate(zip(disease, other, strict=False)) if a != b), None)
    common = min(len(disease), len(other)) if common is None else common
    return 0 if common == len(other) else len(disease) + len(other) - 2 * common


def _pools(knowledge: KnowledgeBase) -> Mapping[str, tuple[str, ...]]:
    """Name of each pool and its members: the groups of the base, and the bundled ones whose diseases it holds."""
    groups = {name: tuple(knowledge.card.groups[name]) for name in knowledge.groups}
    known = {
        name: members
        for name, members in {**bundled_pools(), **knowledge.card.pools}.items()
        if name in knowledge.diseases and all(member in knowledge.diseases for member in members)
    }
    return {**groups, **known}


@cache
def bundled_pools() -> Mapping[str, tuple[str, ...]]:
    """Labels of public image sets that pool several diseases, and these diseases, by their names in `dermatology`."""
    return KnowledgeCard.read(locate(DEFAULT_KNOWLEDGE)).pools
