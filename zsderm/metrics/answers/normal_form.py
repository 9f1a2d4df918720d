"""Normalised answers for comparison: lower case, without punctuation and articles, with single spaces.

Source: the evaluation script of SQuAD (Rajpurkar et al. 2016), with hyphens as blanks.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_ARTICLES = frozenset({"a", "an", "the"})


def words_of(text: str) -> list[str]:
    """The words of a text after normalisation.

    >>> words_of("A blue-white veil, and the scale.")
    ['blue', 'white', 'veil', 'and', 'scale']
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [word for word in _WORD.findall(folded) if word not in _ARTICLES]


def same(one: str, other: str) -> bool:
    """Whether two answers are equal after normalisation."""
    return words_of(one) == words_of(other)


def word_f1(answer: str, reference: str) -> float:
    """The harmonic mean of word precision and recall, counting repeated words; 1 if both texts have no words."""
    found, expected = Counter(words_of(answer)), Counter(words_of(reference))
    if not found or not expected:
        return float(found == expected)
    shared = (found & expected).total()
    return 2 * shared / (found.total() + expected.total())


def word_recall(answer: str, reference: str) -> float:
    """The share of the distinct words of the reference that the answer contains; 1 if the reference has no words."""
    expected = set(words_of(reference))
    return len(expected & set(words_of(answer))) / len(expected) if expected else 1.0
