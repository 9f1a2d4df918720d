"""Which classes of a list an encoder was shown in training, as far as the diagnoses that its card lists tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.knowledge.base import Disease, KnowledgeBase
from zsderm.knowledge.class_names import ClassNames, disease_of
from zsderm.knowledge.names import spelling
from zsderm.knowledge.pools import holds, members_of
from zsderm.wording import agrees, counted

MOST_NAMED = 30  # classes in one sentence; the manifest has them all


@dataclass(frozen=True)
class ShownClasses:
    """What the training diagnoses of an encoder say about C classes.

    Attributes:
        classes: (C,) as the user gave them.
        never: those of them that the encoder was never shown, in their order.
        unclear: those whose names the knowledge base does not know, so that nothing can be said.
        found: (C,) the training diagnoses of each class, as `training_diagnoses` gives them.
    """

    classes: tuple[str, ...]
    never: tuple[str, ...]
    unclear: tuple[str, ...]
    found: tuple[tuple[str, ...], ...]

    @classmethod
    def of(
        cls, classes: Sequence[str], diagnoses: Sequence[str] | None, knowledge: KnowledgeBase | None
    ) -> ShownClasses | None:
        """Hold a class list against training diagnoses.

        A class counts as shown where a training diagnosis is the same disease under any of its names, is a kind of it,
        or has it among its kinds; where either pools the other or both share a member; and where it is a group of the
        ontology that a training diagnosis stands in, such as "malignant".

        Args:
            classes: C class names.
            diagnoses: as the card of the encoder lists them; None where they are not known.
            knowledge: relates names to diseases. The bundled base does so where it is None or lacks a diagnosis.

        Returns:
            None where the training diagnoses are not known.
        """
        if diagnoses is None:
            return None
        judge, called = _judge(diagnoses, knowledge), _called(classes, knowledge)
        never: list[str] = []
        unclear: list[str] = []
        found = training_diagnoses(classes, diagnoses, knowledge)
        for given, names, shown in zip(classes, called, found, strict=True):
            if not shown:
                (never if _disease(names, judge) else unclear).append(given)
        return cls(tuple(classes), tuple(never), tuple(unclear), found)

    @property
    def told_apart(self) -> bool:
        """Whether the encoder was shown at least two of the classes, and not all of them as one diagnosis."""
        shown = [own for own in self.found if own]
        return len(shown) > 1 and len({name for own in shown for name in own}) > 1

    def note(self, encoder: str) -> str:
        """A sentence that names the classes that an encoder was never shown; empty where there are none.

        Args:
            encoder: its name.
        """
        if not self.never:
            return ""
        some, all_of = len(self.never), len(self.classes)
        named = ", ".join(self.never[:MOST_NAMED])
        more = f" and {some - MOST_NAMED} more" if some > MOST_NAMED else ""
        return (
            f"{some} of your {counted(all_of, 'class', 'classes')} {agrees(some, 'was', 'were')} never shown to "
            f"{encoder}: {named}{more}; answers for {agrees(some, 'it', 'them')} are guesses."
        )


def training_diagnoses(
    classes: Sequence[str], diagnoses: Sequence[str], knowledge: KnowledgeBase | None
) -> tuple[tuple[str, ...], ...]:
    """The training diagnoses whose images may be images of a class, by the rules of `ShownClasses.of`.

    Args:
        classes: C class names.
        diagnoses: as the card of the encoder lists them.
        knowledge: see `ShownClasses.of`.

    Returns:
        C tuples of diagnoses; an empty one for a class that was never shown, or is not known.
    """
    judge = _judge(diagnoses, knowledge)
    diseases = {name: disease_of(name, judge) for name in diagnoses}
    found = []
    for names in _called(classes, knowledge):
        disease, spelt = _disease(names, judge), set(map(spelling, names))
        found.append(
            tuple(
                name
                for name, other in diseases.items()
                if spelling(name) in spelt
                or (other is not None and not spelt.isdisjoint(map(spelling, other.ontology)))
                or (disease is not None and other is not None and _related(judge, disease.name, other.name))
            )
        )
    return tuple(found)


def _called(classes: Sequence[str], knowledge: KnowledgeBase | None) -> Iterator[tuple[str, ...]]:
    """All names of each class, first those that it goes by; the user's own base may have names that no other has."""
    for given, meant in zip(classes, ClassNames.read(classes, knowledge).canonical, strict=True):
        own = disease_of(meant, knowledge)
        yield (meant, given, *(own.aliases if own else ()))


def _disease(names: Sequence[str], judge: KnowledgeBase) -> Disease | None:
    """The disease that the first of some names means to a base which knows it."""
    return next(filter(None, (disease_of(name, judge) for name in names)), None)


def _judge(diagnoses: Sequence[str], knowledge: KnowledgeBase | None) -> KnowledgeBase:
    """What relates names to diseases: the bundled base where another one lacks a diagnosis."""
    if knowledge is not None and all(disease_of(name, knowledge) for name in diagnoses):
        return knowledge
    return KnowledgeBase.load(DEFAULT_KNOWLEDGE)


def _related(base: KnowledgeBase, one: str, other: str) -> bool:
    """Whether images of one disease may be images of the other."""
    if one == other or holds(base.card, one, other) or holds(base.card, other, one):
        return True
    pooled = [name in base.card.groups or name in base.card.pools for name in (one, other)]
    return all(pooled) and not members_of(base.card, one).isdisjoint(members_of(base.card, other))
