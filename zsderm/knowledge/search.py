"""Looking something up in a knowledge base by the words it is written in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from zsderm.knowledge.base import Disease, KnowledgeBase
from zsderm.knowledge.names import spelling, words

# Below this likeness two words are different words: "scale" and "scalp" are at 0.8.
_ALIKE = 0.82
# A text that tells look-alikes apart also says what the others look like: it ranks below those on their own disease.
_WEIGHT = {"differs": 0.9}
_FOREIGN = "name in "


@dataclass(frozen=True)
class Hit:
    """One name, alias or description that a query met."""

    score: float  # 0 to 1; 1 when every word of the query is in the text
    disease: str  # canonical name
    where: str  # "name", "alias", "name in Spanish", or the aspect of the description
    text: str
    shows: str = ""  # what must be in view for a description to hold; empty for names


def search(base: KnowledgeBase, query: str, limit: int = 10) -> list[Hit]:
    """The names, aliases and descriptions that say what the query says, best first.

    The score is the mean, over the words of the query, of the likeness of the nearest word in the text;
    plurals, accents and British or American spelling do not count. Names come before texts of the same score, those of
    the base's own language first.
    """
    return _best(query, _entries(base), limit)


def search_names(base: KnowledgeBase, query: str, limit: int = 10) -> list[Hit]:
    """As `search`, among names and aliases of the base's own language alone; that is much quicker."""
    return _best(query, _own_names(base), limit)


def _best(query: str, entries: Iterator[tuple[str, str, str, str]], limit: int) -> list[Hit]:
    asked = words(query)
    if not asked:
        return []
    hits = [
        Hit(round(_WEIGHT.get(shows, 1.0) * _score(asked, text), 3), disease, where, text, shows)
        for disease, where, text, shows in entries
    ]
    best = sorted((hit for hit in hits if hit.score >= 0.5), key=lambda hit: (-hit.score, _rank(hit), len(hit.text)))
    return best[:limit]


def _own_names(base: KnowledgeBase) -> Iterator[tuple[str, str, str, str]]:
    for disease in (*base.diseases.values(), *base.groups.values()):
        yield disease.name, "name", disease.name, ""
        yield from ((disease.name, "alias", alias, "") for alias in disease.aliases)


def _entries(base: KnowledgeBase) -> Iterator[tuple[str, str, str, str]]:
    yield from _own_names(base)
    for disease in (*base.diseases.values(), *base.groups.values()):
        yield from ((disease.name, where, name, "") for name, where in _foreign_names(base, disease).items())
    for disease in base.diseases.values():  # of which a group repeats those of its members
        yield from ((disease.name, text.aspect, text.text, text.shows) for text in disease.descriptions)


def _foreign_names(base: KnowledgeBase, disease: Disease) -> dict[str, str]:
    """Names in other languages that are none of its own, and where each of them is one."""
    own = {spelling(name) for name in (disease.name, *disease.aliases)}
    found: dict[str, list[str]] = {}
    for language, names in base.card.names.items():
        for name in names.get(disease.name, ()):
            if spelling(name) not in own:
                found.setdefault(name, []).append(language)
    return {name: _FOREIGN + ", ".join(languages) for name, languages in found.items()}


def _rank(hit: Hit) -> int:
    return 2 if hit.where.startswith(_FOREIGN) else {"name": 0, "alias": 1}.get(hit.where, 3)


def _score(asked: list[str], text: str) -> float:
    present = words(text)
    return sum(max((_likeness(word, other) for other in present), default=0.0) for word in asked) / len(asked)


@lru_cache(maxsize=100_000)
def _likeness(one: str, other: str) -> float:
    """1 for the same word, 0 for different ones, and in between for a slip of the pen or the start of a word."""
    if one == other:
        return 1.0
    if len(one) >= 4 and other.startswith(one):
        return 0.9
    matcher = SequenceMatcher(None, one, other)
    if matcher.real_quick_ratio() < _ALIKE or matcher.quick_ratio() < _ALIKE:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= _ALIKE else 0.0
