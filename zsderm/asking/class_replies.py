"""The class that a reply names: the longest name or synonym counts, and negated names do not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from zsderm.errors import UnknownClassError
from zsderm.knowledge import KnowledgeBase
from zsderm.knowledge.names import words
from zsderm.knowledge.same_disease import same_diseases

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_DENIES = frozenset({"not", "no", "nor", "neither", "without", "than", "unlikely", "excluding", "isnt", "unlike"})
_BEFORE = 3  # words before a name among which one denies it: "not a typical nevus"


class NamedClasses:
    """Converts replies to classes.

    A class is recognised by its name as written, by the synonyms of the disease in the knowledge base, and by the names
    of diseases that belong to the class. Of several names that begin at the same word the longest counts, so "blue
    nevus" is not read as "nevus". The first sentence that names a class decides; names after "not", "rather than" and
    similar words are ignored. A sentence that names several classes is not an answer, and neither is a reply that names
    no class.

    Args:
        classes: C names.
        knowledge: provides synonyms; with None only the class names as written are recognised.
    """

    def __init__(self, classes: Sequence[str], knowledge: KnowledgeBase | None = None) -> None:
        self.classes = tuple(classes)
        self._phrases: dict[tuple[str, ...], int | None] = {}  # folded words -> class; None for a name of no class
        self._codes: dict[str, int] = {}  # in capitals, as "AK": the word "ak" or "an" is none
        for name, place in _names(self.classes, knowledge):
            if re.fullmatch("[A-Z]{2,4}", name):
                if place is not None:
                    self._codes.setdefault(name, place)
            elif key := tuple(words(name)):
                self._phrases.setdefault(key, place)
        self._longest = max(map(len, self._phrases), default=1)

    def read(self, reply: str) -> int | None:
        """The index of the class that a reply names; None if it names none, or several in one sentence.

        >>> names = NamedClasses(["nevus", "blue nevus", "melanoma"])
        >>> names.read("A blue nevus."), names.read("Not a nevus but a melanoma."), names.read("Nevus or melanoma?")
        (1, 2, None)
        """
        for sentence in _SENTENCE.split(reply):
            if found := set(self._named(sentence)):
                return found.pop() if len(found) == 1 else None
        return None

    def _named(self, sentence: str) -> Iterator[int]:
        written = _WORD.findall(sentence)
        folded = ["".join(words(word)) for word in written]
        place = 0
        while place < len(folded):
            found, length = self._at(written, folded, place)
            if found is not None and not _DENIES & set(folded[max(0, place - _BEFORE) : place]):
                yield found
            place += length

    def _at(self, written: Sequence[str], folded: Sequence[str], place: int) -> tuple[int | None, int]:
        """The class of the longest name that begins at a word, and how many words that has."""
        for length in range(min(self._longest, len(folded) - place), 0, -1):
            key = tuple(folded[place : place + length])
            if key in self._phrases:
                return self._phrases[key], length
        return self._codes.get(written[place]), 1


def first_substring(reply: str, classes: Sequence[str]) -> int | None:
    """The index of the first class of the list whose name occurs in the reply, as in the published scoring.

    "nevus" may therefore win over "blue nevus", and "not melanoma" names melanoma. None if no class name occurs.

    Source: MM-Skin (arXiv 2505.06152), zero-shot classification by SkinVL.
    """
    text = reply.casefold()
    return next((place for place, name in enumerate(classes) if name.casefold() in text), None)


def _names(classes: Sequence[str], knowledge: KnowledgeBase | None) -> Iterator[tuple[str, int | None]]:
    """Names with the class that they mean, the classes as they are written first; None for other diseases."""
    yield from ((name, place) for place, name in enumerate(classes))
    if knowledge is None:
        return
    own = {name: place for place, name in enumerate(classes)}
    for place, name in enumerate(classes):
        try:
            disease = knowledge.find(name)
        except UnknownClassError:
            continue
        own.setdefault(disease.name, place)
        yield from ((alias, place) for alias in (disease.name, *disease.aliases))
    others = [disease for disease in knowledge.diseases.values() if disease.name not in own]
    kinds = [kind for held in knowledge.card.subtypes.values() for kind in held]
    names = [disease.name for disease in others]
    held = same_diseases([*names, *kinds], [*names, *kinds], classes, knowledge).places
    for disease in others:
        yield from ((name, held.get(disease.name)) for name in (disease.name, *disease.aliases))
    yield from ((kind, held[kind]) for kind in kinds if kind in held)
