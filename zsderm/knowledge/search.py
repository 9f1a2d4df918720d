"""Looking something up in a knowledge base by the words it is written in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from zsderm.knowledge.base import KnowledgeBase
from zsderm.knowledge.names import words

# Below this likeness two words are different words: "scale" and "scalp" are at 0.8.
_ALIKE = 0.82
# A text that tells look-alikes apart also says what the others look like: it ranks below those on their own disease.
_WEIGHT = {"differs": 0.9}


@dataclass(frozen=True)
class Hit:
    """One name, alias or description that a query met."""

    score: float  # 0 to 1; 1 when every word of the query is in the text
    disease: str  # canonical name
    where: str  # "name", "alias", or the aspect of the description
    text: str
    shows: str = ""  # what must be in view for a description to hold; empty for names


def search(base: KnowledgeBase, query: str, limit: int = 10) -> list[Hit]:
    """The names, aliases and descriptions that say what the query says, best first.

    The score is the mean, over the words of the query, of the likeness of the nearest word in the text;
    plurals, accents and British or American spelling do not count. Names come before texts of the same score.
    """
    asked = words(query)
    if not asked:
        return []
    hits = [
        Hit(round(_WEIGHT.get(shows, 1.0) * _score(asked, text), 3), disease, where, text, shows)
        for disease, where, text, shows in _entries(base)
    ]
    best = sorted((hit for hit in hits if hit.score >= 0.5), key=lambda hit: (-hit.score, _rank(hit), len(hit.text)))
    return best[:limit]


def _entries(base: KnowledgeBase) -> Iterator[tuple[str, str, str, str]]:
    for disease in base.diseases.values():
        yield disease.name, "name", disease.name, ""
        yield from ((disease.name, "alias", alias, "") for alias in disease.aliases)
        yield from ((disease.name, text.aspect, text.text, text.shows) for text in disease.descriptions)


def _rank(hit: Hit) -> int:
    return {"name": 0, "alias": 1}.get(hit.where, 2)


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
