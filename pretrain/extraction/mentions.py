"""Where a text names things: the phrases of a vocabulary, in any spelling, the longest first."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from zsderm.knowledge.names import words

_WORD = re.compile(r"[^\W_]+(?:['’‘`´][^\W_]+)*")
_ARTICLES = frozenset({"a", "an", "the"})
SHORT = 3  # letters; so short a name in capitals counts only in capitals, for "as" may be anything
# Letters from which a word may have one slip of the pen, and two. Shorter words are too near to each other.
ONE_SLIP, TWO_SLIPS = 6, 9


@dataclass(frozen=True)
class Token:
    """One word of a text."""

    text: str  # as it stands there
    word: str  # folded, and corrected where it was misspelt
    start: int  # character at which it begins
    end: int  # character behind its end
    corrected: bool = False


@dataclass(frozen=True)
class Mention:
    """One phrase of a vocabulary in a text."""

    meanings: tuple[str, ...]  # what the vocabulary says that it stands for
    text: str  # as it stands in the text
    first: int  # its first token
    last: int  # the token behind its last
    corrected: bool  # whether a word of it was misspelt


@dataclass(frozen=True)
class Speller:
    """Reads misspelt words as the word of a vocabulary that they are nearest to.

    A word is corrected when it is no word of the vocabulary and no ordinary word, begins with the letter of the one
    word of it that is nearest, and differs from that by one slip (a letter too many, too few, wrong, or two
    swapped), from nine letters on by two.

    Args:
        vocabulary: folded words that others may stand for.
        ordinary: folded words that are right as they are.
    """

    vocabulary: frozenset[str]
    ordinary: frozenset[str] = frozenset()
    _known: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def read(self, word: str) -> str:
        """The word that a folded word stands for: itself, where there is no better reading."""
        if len(word) < ONE_SLIP or word in self.vocabulary or word in self.ordinary or not word.isalpha():
            return word
        if word not in self._known:
            self._known[word] = self._nearest(word)
        return self._known[word]

    def _nearest(self, word: str) -> str:
        most = 2 if len(word) >= TWO_SLIPS else 1
        near = [
            w for w in self.vocabulary if w[0] == word[0] and len(w) >= ONE_SLIP and abs(len(w) - len(word)) <= most
        ]
        slips = {other: count for other in near if (count := slips_between(word, other)) <= most}
        best = [other for other, count in slips.items() if count == min(slips.values())]
        return best[0] if len(best) == 1 else word


class PhraseTable:
    """Phrases, and what each stands for.

    Args:
        phrases: pairs of a phrase and its meaning; a phrase may have several. A leading article is left out.
    """

    def __init__(self, phrases: Iterable[tuple[str, str]]) -> None:
        self._meanings: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._short: defaultdict[str, set[str]] = defaultdict(set)
        self.words: set[str] = set()
        self._longest = 0
        for phrase, meaning in phrases:
            folded = words(phrase)
            folded = folded[1:] if len(folded) > 1 and folded[0] in _ARTICLES else folded
            if not folded:
                continue
            key = "".join(folded)  # "birth mark" and "birthmark" are one
            self._meanings[key][meaning] = None
            if len(key) <= SHORT:
                self._short[key].add(phrase.strip())
            self.words.update(folded)
            self._longest = max(self._longest, len(folded) + 1)

    def find(self, tokens: Sequence[Token]) -> list[Mention]:
        """The phrases in a text, from left to right; of those that overlap, the one that begins first, and the longest.

        Args:
            tokens: the text, by `tokens_of`.
        """
        found: list[Mention] = []
        first = 0
        while first < len(tokens):
            mention = self._at(tokens, first)
            if mention:
                found.append(mention)
            first = mention.last if mention else first + 1
        return found

    def _at(self, tokens: Sequence[Token], first: int) -> Mention | None:
        for last in range(min(len(tokens), first + self._longest), first, -1):
            part = tokens[first:last]
            key = "".join(token.word for token in part)
            if key not in self._meanings or not self._as_written(key, part):
                continue
            text = " ".join(token.text for token in part)
            return Mention(tuple(self._meanings[key]), text, first, last, any(token.corrected for token in part))
        return None

    def _as_written(self, key: str, part: Sequence[Token]) -> bool:
        if len(key) > SHORT:
            return True
        text = part[0].text  # "RED" and "Red" are "red", but "bcc" is not "BCC"
        return len(part) == 1 and (text.isupper() or bool({text, text.lower()} & self._short[key]))


def tokens_of(text: str, speller: Speller | None = None) -> list[Token]:
    """The words of a text with their places, folded as names of a knowledge base are, and corrected."""
    found = []
    for match in _WORD.finditer(text):
        folded = "".join(words(match.group()))
        read = speller.read(folded) if speller else folded
        found.append(Token(match.group(), read, match.start(), match.end(), read != folded))
    return found


def slips_between(one: str, other: str) -> int:
    """Letters to add, take away, change or swap with their neighbour to turn one word into the other.

    Source: the optimal string alignment distance (Damerau, Communications of the ACM 7(3), 1964).

    >>> slips_between("melanmoa", "melanoma")
    1
    """
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        current = [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]
