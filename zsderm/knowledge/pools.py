"""Which diseases a class holds beside its own: of groups, of labels that pool diseases, and of diseases with kinds.

One place says it, the base.json of a knowledge base, in four lists: `groups` are names without an entry of their own
("acne and rosacea"), `pools` are entries that are labels of data sets ("benign keratosis"), of whose images each shows
one of the members, `kinds` are diseases that other entries are kinds of ("melanoma": nodular melanoma and others), and
`subtypes` are kinds without an entry, whose names are aliases of the disease ("melanoma": melanoma in situ).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.card import KnowledgeCard
from zsderm.modalities import PATHOLOGICAL


def of_modality(knowledge: KnowledgeBase | None, modality: str) -> KnowledgeBase | None:
    """The base with the descriptions for pictures of one modality; the same base where that is all, None for none.

    Descriptions of tissue sections are for "pathological" alone, and for it there are no others. Between photographs
    and dermoscopic pictures nothing is left out here: retrieval chooses what is like the images.
    """
    if knowledge is None:
        return None
    wanted = modality == PATHOLOGICAL
    told = [text.modality for disease in knowledge.diseases.values() for text in disease.descriptions]
    fitting = sum((modality == PATHOLOGICAL) == wanted for modality in told)
    if fitting == len(told):
        return knowledge
    if wanted and not fitting:
        return None
    return knowledge.subset(lambda text: (text.modality == PATHOLOGICAL) == wanted)


def members_of(card: KnowledgeCard, name: str) -> frozenset[str]:
    """The diseases that a class holds, and what those hold; empty for a disease without kinds.

    Args:
        card: of a knowledge base.
        name: canonical name of a disease, or of a group.

    Returns:
        Canonical names, and those of kinds without an entry, without ``name``.
    """
    found: set[str] = set()
    left = [name]
    while left:
        asked = left.pop()
        new = {name for lists in (card.groups, card.pools, card.kinds, card.subtypes) for name in lists.get(asked, ())}
        new -= found
        found |= new
        left += new
    return frozenset(found - {name})


def holds(card: KnowledgeCard, owner: str, name: str) -> bool:
    """Whether images of a class are images of another: it is a member, or a group or pool of members.

    Args:
        card: of a knowledge base.
        owner: canonical name of the class that may hold the other.
        name: canonical name of the other.
    """
    members = members_of(card, owner)
    pooled = card.groups.get(name) or card.pools.get(name)
    return owner != name and (name in members or (pooled is not None and members >= set(pooled)))


def owner_of(card: KnowledgeCard, name: str, classes: Sequence[str]) -> int | None:
    """The class that an image of a disease counts for: the narrowest that holds it.

    Args:
        card: of a knowledge base.
        name: what the disease's name covers.
        classes: (C,) what the classes cover, see `KnowledgeBase.covered`.

    Returns:
        0 to C - 1; None where no class holds it, or several do and none of them is within all others.
    """
    owners = [index for index, other in enumerate(classes) if holds(card, other, name)]
    narrow = [i for i in owners if all(i == j or holds(card, classes[j], classes[i]) for j in owners)]
    return narrow[0] if len(narrow) == 1 else None


def overlaps(base: KnowledgeBase, classes: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of classes of which the first holds the second.

    Args:
        base: knows what a class holds.
        classes: (C,) what the classes cover, also names that the base does not know.
    """
    wide = {name for name in classes if members_of(base.card, name)}
    pairs = permutations(range(len(classes)), 2) if wide else ()
    return [(i, j) for i, j in pairs if classes[i] in wide and holds(base.card, classes[i], classes[j])]
