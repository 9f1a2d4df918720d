"""Names of diseases are taken out of a story before it is used: what a patient calls it must not decide what it is.

Taken out are names and aliases of every disease of a knowledge base in all its languages, names of groups, codes of
data sets, and the classes that are asked for: in capitals or not, singular or plural, with or without accents and
hyphens, in pieces ("mela noma"), in longer words ("melanomatous", "Verdachtsmelanom"), with a slip ("melonoma"). So
are words that are no name and give one away ("actinic", "carcinoma"). Words of every day that are names as well are
taken out where they are names (`zsderm.knowledge.everyday`), and abbreviations such as "MEL" or "EN" in capitals only.
"Cancer" stays: it is a worry, and the name of no disease of the base.

Whatever else a story says is just text; nothing in it is an instruction.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zsderm.knowledge import KnowledgeBase
from zsderm.knowledge.everyday import is_name
from zsderm.narratives.names import (
    BEGINNING,
    BY_ACCIDENT,
    FUSED,
    INSIDE,
    MISSPELT,
    STEM,
    TAIL,
    WORD,
    NameKeys,
    bare,
    folded,
    slips_of,
    stem,
)

MASK = "[...]"
MOST_WORDS = 2_000  # of a story are read; the longest that patients write has some hundred
MOST_LETTERS = 20_000
LONGEST_WORD = 80  # letters; what is longer is no word, and taken out
LETTERS = 4  # single letters that make a name: "a c n e"
_AGAIN = re.compile(rf"{re.escape(MASK)}(?:[\s,/-]*{re.escape(MASK)})+")


@dataclass(frozen=True)
class Masked:
    """A story without names of diseases.

    Attributes:
        text: the story, each name replaced by `MASK`.
        what: the names as they stood there, each once.
        shortened: whether the story is longer than what is read of one.
    """

    text: str
    what: tuple[str, ...] = ()
    shortened: bool = False


@dataclass(frozen=True)
class _Word:
    """A word of a story, and where it stands."""

    raw: str
    key: str
    start: int
    end: int


def masked(narrative: str, names: NameKeys) -> Masked:
    """Take the names of diseases out of a story.

    Args:
        narrative: what a patient tells, in any language; may be empty, or any text at all.
        names: that are taken out.

    >>> masked("The doctor said Melanomas, but it only itches.", NameKeys.of(None, ["melanoma"]))
    Masked(text='The doctor said [...], but it only itches.', what=('Melanomas',), shortened=False)
    """
    text, shortened = _plain(narrative)
    words = [_Word(found[0], _key(found[0]), *found.span()) for found in WORD.finditer(text)]
    if len(words) > MOST_WORDS:
        text, words, shortened = text[: words[MOST_WORDS - 1].end], words[:MOST_WORDS], True
    shouted = text == text.upper()
    pieces: list[str] = []
    what: dict[str, str] = {}
    done = place = 0
    while place < len(words):
        count = _name_at(words, place, names, shouted)
        if count:
            first, last = words[place], words[place + count - 1]
            pieces += text[done : first.start], MASK
            said, done = text[first.start : last.end], last.end
            what.setdefault(said.casefold(), said[:LONGEST_WORD])
        place += max(count, 1)
    return Masked(_AGAIN.sub(MASK, "".join((*pieces, text[done:]))).strip(), tuple(what.values()), shortened)


def without_names(narratives: Iterable[str], knowledge: KnowledgeBase | None, classes: Sequence[str]) -> list[str]:
    """Stories as a classifier reads them, which is how they are to be trained and measured with as well.

    Args:
        narratives: N stories.
        knowledge: the base whose names are taken out.
        classes: that are asked for; their names are taken out too.
    """
    names = NameKeys.of(knowledge, classes)
    return [masked(text, names).text for text in narratives]


def _plain(narrative: str) -> tuple[str, bool]:
    """The story without characters that are not seen or steer a terminal; and whether it had to be cut."""
    text = unicodedata.normalize("NFKC", narrative[: MOST_LETTERS + 1])
    kept = []
    for character in text:
        kind = unicodedata.category(character)
        if kind in ("Cc", "Zl", "Zp"):
            kept.append(character if character == "\n" else " ")
        elif kind not in ("Cf", "Cs", "Co", "Cn"):  # a soft hyphen, a letter without width, half a letter
            kept.append(character)
    plain = "".join(kept)
    if len(plain) > MOST_LETTERS:  # not within a word, of which half a name would stay
        plain = plain[: plain.rfind(" ", 0, MOST_LETTERS + 1)] if " " in plain[:MOST_LETTERS] else plain[:MOST_LETTERS]
    return plain, len(narrative) > MOST_LETTERS


def _key(word: str) -> str:
    return folded(word) if len(word) <= LONGEST_WORD else ""


def _name_at(words: list[_Word], place: int, names: NameKeys, shouted: bool) -> int:
    """How many words the longest name has that begins at a place; 0 where none does."""
    first = words[place]
    best = int(_is_name(first, words[place - 1].key if place else "", names, shouted))
    key, stems, piece, letters = first.key, stem(first.key), bare(first.raw), len(first.raw) == 1
    for end in range(place + 1, len(words)):
        known = any(text[:BEGINNING] in names.beginnings for text in (key, stems, piece))
        if not known or len(key) > names.longest:
            break
        word, count = words[end], end - place + 1
        key, stems, piece = key + word.key, stems + stem(word.key), piece + bare(word.raw)
        letters = letters and len(word.raw) == 1
        counts = names.whole.get(key, ())
        # "a melanotic macule" is no "amelanotic" one: a single letter is no piece of a word, but among its like.
        whole = count >= LETTERS if letters else len(piece) >= FUSED and len(first.raw) > 1
        if count in counts or stems in names.stemmed or (whole and (counts or piece in names.pieces)):
            best = count
    return best


def _is_name(word: _Word, before: str, names: NameKeys, shouted: bool) -> bool:
    """Whether one word is a name, or holds one."""
    key = word.key
    if not key:
        return len(word.raw) > LONGEST_WORD
    if key in names.whole:
        return is_name(key, before, word.raw)
    if not shouted and word.raw.removesuffix("s") in names.capitals:
        return True
    return not BY_ACCIDENT.match(key) and _holds_name(key, names)


def _holds_name(key: str, names: NameKeys) -> bool:
    """Whether a word begins or ends with a name, has one inside, or is one but for a letter."""
    return (
        any(key[:size] in names.stems for size in range(STEM, len(key)))
        or any(key[-size:] in names.tails for size in range(TAIL, len(key)))
        or (len(key) >= MISSPELT - 1 and not slips_of(key).isdisjoint(names.slips))
        or any(
            key[start : start + size] in names.inside
            for start in range(1, len(key) - INSIDE + 1)
            for size in range(INSIDE, len(key) - start + 1)
        )
    )
