"""What each class is called: by the user, in the knowledge base, and before the text tower.

People name one disease in many ways. A text tower answers to each of them a little differently, so that the choice of
words would decide between diseases; the mean over all names that the base knows does not depend on the one typed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from zsderm.errors import ClassListError, UnknownClassError
from zsderm.knowledge.base import Disease, KnowledgeBase
from zsderm.knowledge.code_sets import code_sets, read_codes
from zsderm.knowledge.names import spelling, without_photos
from zsderm.knowledge.pools import overlaps

BARE = ("class-name", "templates")  # methods that read no description
MOST_TOLD = 5  # overlaps in one sentence; lists of a hundred classes have dozens


@dataclass(frozen=True)
class ClassNames:
    """The names of C classes.

    Attributes:
        typed: (C,) as the user gave them.
        meant: (C,) what the knowledge base is asked for: as typed, or what a code stands for.
        canonical: (C,) the name of the disease in the base; as meant where the base does not know it.
        covered: (C,) the canonical name, or the kind of that disease that the name means ("melanoma in situ").
        spoken: (C,) the names that stand for each class, at least one.
        twins: names of the base that several classes mean. Only what was typed tells such classes apart.
        overlaps: pairs of places; an image of the second of these classes is one of the first, too.
        note: which classes were read as codes, of what, or as names in which language; empty where none was.
    """

    typed: tuple[str, ...]
    meant: tuple[str, ...]
    canonical: tuple[str, ...]
    covered: tuple[str, ...]
    spoken: tuple[tuple[str, ...], ...]
    twins: tuple[str, ...]
    overlaps: tuple[tuple[int, int], ...]
    note: str

    @classmethod
    def read(cls, classes: Sequence[str], knowledge: KnowledgeBase | None) -> ClassNames:
        """Find what a class list means.

        Args:
            classes: C class names as the user gave them.
            knowledge: knows aliases; None leaves every class with one name.
        """
        reading = read_codes(classes)
        # A base that knows a code by itself is asked for the code: it may be the user's own.
        meant = [name if disease_of(name, knowledge) else reading.meaning(name) for name in classes]
        found = [disease_of(name, knowledge) for name in meant]
        canonical = [disease.name if disease else name for disease, name in zip(found, meant, strict=True)]
        covered = [
            knowledge.covered(name) if knowledge is not None and disease else name
            for disease, name in zip(found, meant, strict=True)
        ]
        twins = [name for name, count in Counter(canonical).items() if count > 1]
        spoken = [
            (given,) if name in twins else names_of(disease) if disease else (name,)
            for given, name, disease in zip(classes, canonical, found, strict=True)
        ]
        codes = [
            f"{given} = {name}"
            for given, name in zip(classes, canonical, strict=True)
            if given in reading.codes
            and name in (reading.meaning(given), _canonical(reading.meaning(given), knowledge))
        ]
        notes = []
        if codes:
            sets = "; ".join(reading.sets)
            notes.append(
                f"Classes are read as codes of {sets}: {', '.join(codes)}. If you mean something else, write its name."
            )
        translated = [
            f"{name} = {known} ({', '.join(languages)})"
            for name, known in zip(meant, canonical, strict=True)
            if knowledge is not None and name != known and (languages := knowledge.languages_of(name))
        ]
        if translated:
            notes.append(
                f"Classes are read by names that nobody has reviewed yet: {', '.join(translated)}. If one is wrong, "
                "write the English name."
            )
        return cls(
            typed=tuple(classes),
            meant=tuple(meant),
            canonical=tuple(canonical),
            covered=tuple(covered),
            spoken=tuple(spoken),
            twins=tuple(sorted(twins)),
            overlaps=tuple(overlaps(knowledge, covered)) if knowledge is not None else (),
            note=" ".join(notes),
        )

    @property
    def described(self) -> tuple[str, ...]:
        """(C,) the name in the sentences of descriptions: the canonical one, which the text tower knows best.

        Classes that mean the same disease keep the names they were given.
        """
        return tuple(
            given if name in self.twins else name for given, name in zip(self.typed, self.canonical, strict=True)
        )

    def check_spellings(self) -> None:
        """Refuse classes that are one name of the base in two spellings: nothing would tell them apart.

        Raises:
            ClassListError: two are.
        """
        for twin in self.twins:
            same = [given for given, name in zip(self.typed, self.canonical, strict=True) if name == twin]
            first: dict[str, str] = {}
            for given in same:
                other = first.setdefault(spelling(without_photos(given)), given)
                if other is not given:
                    raise ClassListError(
                        f"classes {other!r} and {given!r} are one name in two spellings, so nothing tells them apart. "
                        "Remove one of them."
                    )

    def overlap_note(self) -> str:
        """A sentence that names the classes which hold others of the list; empty where none does."""
        pairs = [f"{self.typed[wide]!r} holds {self.typed[narrow]!r}" for wide, narrow in self.overlaps]
        told = "; ".join(pairs[:MOST_TOLD]) + (f"; and {more} more" if (more := len(pairs) - MOST_TOLD) > 0 else "")
        if not pairs:
            return ""
        return (
            f"classes overlap ({told}): a photograph of the narrower one is one of the wider one as well, so that they "
            "share what is probable. Leave one of the two out, or count both as the wider one."
        )

    def in_prompts(self, method: str, which: str) -> tuple[tuple[str, ...], ...]:
        """(C,) the names that the text tower reads outside of descriptions.

        Args:
            method: "class-name" and "templates" take a typed name as it is; beside descriptions stands `described`.
            which: "known" takes all names that stand for a class, "canonical" the base's own, "typed" the one as typed.
        """
        if which == "known":
            return self.spoken
        as_typed = which == "typed" and method in BARE
        return tuple((name,) for name in (self.typed if as_typed else self.described))


def names_of(disease: Disease) -> tuple[str, ...]:
    """The names of a disease that a text tower reads as words: its own, then its aliases without abbreviations.

    >>> names_of(Disease("basal cell carcinoma", ("BCC", "rodent ulcer")))
    ('basal cell carcinoma', 'rodent ulcer')
    """
    return (disease.name, *(alias for alias in disease.aliases if not is_code(alias) and alias != disease.name))


def is_code(name: str) -> bool:
    """Whether a name is or holds an abbreviation: a word with two capitals ("SCC in situ"), or a data set's code."""
    if any(re.search("[A-Z].*[A-Z]", word) for word in name.split()):
        return True
    return name.upper() in {code for codes in code_sets().values() for code in codes}


def disease_of(name: str, knowledge: KnowledgeBase | None) -> Disease | None:
    """The disease that a class name means; None where no base is given, or the base knows none or several."""
    try:
        return None if knowledge is None else knowledge.find(name)
    except UnknownClassError:
        return None


def _canonical(name: str, knowledge: KnowledgeBase | None) -> str:
    disease = disease_of(name, knowledge)
    return disease.name if disease else name
