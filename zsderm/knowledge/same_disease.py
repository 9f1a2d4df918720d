"""Which class of a list another name counts for: the class of the same disease, or else the one that holds it.

One rule for labels of tables, columns of predictions and data sets, wherever a name is none of the classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.class_names import ClassNames
from zsderm.knowledge.pools import owner_of


@dataclass(frozen=True)
class SameDiseases:
    """What names count for.

    Attributes:
        same: name -> index of the class that is called by another name of the same disease.
        held: name -> index of the class that holds the disease of this name.
    """

    same: dict[str, int]
    held: dict[str, int]

    @property
    def places(self) -> dict[str, int]:
        """Name -> index of the class it counts for."""
        return self.same | self.held

    def told(self, classes: Sequence[str]) -> list[str]:
        """Sentences without a full stop that say what was read as what; none where nothing was.

        Args:
            classes: C names.
        """
        kinds = (("other names of the classes", self.same), ("diseases that the classes hold", self.held))
        return [
            f"read as {what}: {', '.join(f'{name} = {classes[index]}' for name, index in read_as.items())}"
            for what, read_as in kinds
            if read_as
        ]


def same_diseases(
    strangers: Sequence[str], together: Sequence[str], classes: Sequence[str], base: KnowledgeBase
) -> SameDiseases:
    """The class that each name counts for.

    A name that means only a kind of a disease ("melanoma in situ") is another than the disease and than its other
    kinds, as `KnowledgeBase.covered` says. Names that no class shares a disease with, or several do, are left out; see
    `zsderm.knowledge.pools` for what a class holds.

    Args:
        strangers: names that spell no class.
        together: all names of their column: codes of a data set are read as such in company.
        classes: C names.
        base: knows names, pools and kinds.
    """
    own = ClassNames.read(classes, base).covered
    shared = Counter(own)
    place = {name: index for index, name in enumerate(own) if shared[name] == 1}
    read = ClassNames.read([name for name in together if name], base)
    meant = dict(zip(read.typed, read.covered, strict=True))
    same = {name: place[meant[name]] for name in strangers if meant[name] in place}
    owners = {name: owner_of(base.card, meant[name], own) for name in strangers if name not in same}
    return SameDiseases(same, {name: index for name, index in owners.items() if index is not None})
