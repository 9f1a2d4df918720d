"""Splits a caption for several pictures at (a), (b) or A., B.; each part keeps the text that applies to all.

"Psoriasis. (a) Elbow. (b) Nails." is "Psoriasis. Elbow." for the first picture and "Psoriasis. Nails." for the second.
A caption with letters inside a sentence ("the elbow (a) and the nails (b)") is not split.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_LETTERS = r"[a-p](?:\s?(?:[-–,&/]|and|und|y|e|et|to)\s?[a-p])*"
_ROUND = re.compile(rf"[(\[]\s?(?P<letters>{_LETTERS})\s?[)\]]\s?[:.,]?", re.IGNORECASE)
_HALF = re.compile(rf"(?:^|(?<=[\s;]))(?P<letters>{_LETTERS})\)\s?[:.,]?", re.IGNORECASE)
_SMALL = re.compile(r"(?:^|(?<=[.;:,]\s)|(?<=。))(?P<letters>[a-p](?:\s?[-–,]\s?[a-p])*)(?:[.:,]\s|\s(?=[A-Z]))")
_CAPITAL = re.compile(r"(?:^|(?<=[.;:,]\s)|(?<=。))(?P<letters>[A-P](?:\s?[-–,]\s?[A-P])*)(?:[.:,)]\s|\s(?=[A-Z]))")
_FORMS = (_ROUND, _HALF, _CAPITAL, _SMALL)
_RANGE = re.compile(r"([a-p])\s?[-–]\s?([a-p])")
_ENDS = re.compile(r"[.!?;:,。；]\s*$")


@dataclass(frozen=True)
class Parts:
    """A caption in parts.

    Attributes:
        stem: what is said of all pictures; may be empty.
        texts: letter -> what is said of that picture alone.
    """

    stem: str
    texts: dict[str, str]

    def caption(self, letter: str) -> str:
        """The stem and the part of one picture."""
        own = self.texts.get(letter, "")
        if not self.stem or not own:
            return self.stem or own
        stop = "" if re.search(r"[.!?:;,。]$", self.stem) else "."
        return f"{self.stem.rstrip(':;,')}{stop or ('.' if self.stem[-1] in ':;,' else '')} {own[0].upper()}{own[1:]}"


def letters_in(text: str) -> list[str]:
    """The letters that a caption has for its pictures, in order: ["a", "b", "c"]; an empty list for fewer than two.

    >>> letters_in("Psoriasis. (a, b) Elbows. (c) Nails.")
    ['a', 'b', 'c']
    """
    return [letter for marks in _marks(text) for letter in marks[1]]


def split_caption(text: str) -> Parts | None:
    """A caption in its parts; None where it has no letters, or cannot be cut without breaking a sentence.

    >>> split_caption("Psoriasis. (a) Elbow. (b) Nails.").caption("b")
    'Psoriasis. Nails.'
    """
    marks = _marks(text)
    if not marks:
        return None
    (first, *_), (last, *_) = marks[0], marks[-1]
    stem = text[: first.start()].strip()
    if re.search(r"\w", text[last.end() :]):
        pieces = [text[one.end() : other.start()] for (one, _), (other, _) in pairwise(marks)]
        pieces.append(text[last.end() :])
        if stem and not _ENDS.search(stem) and not text[first.end() :].lstrip()[:1].isupper():
            return None  # the stem is the beginning of a sentence that goes on behind the letter
    else:  # letters behind what they mean
        starts = [0, *(one.end() for one, _ in marks[:-1])]
        pieces = [text[start : one.start()] for start, (one, _) in zip(starts, marks, strict=True)]
        if any(not _ENDS.search(text[:start].rstrip() or ".") for start in starts[1:]):
            return None
        stem = ""
    texts: dict[str, str] = {}
    for (_, letters), piece in zip(marks, pieces, strict=True):
        cleaned = piece.strip(" \t,;:–—").removesuffix(" and").removesuffix(" und").strip(" ,;")
        if not re.search(r"\w", cleaned):
            return None
        for letter in letters:
            texts[letter] = cleaned if cleaned.endswith((".", "!", "?", "。")) else f"{cleaned}."
    return Parts(stem.rstrip(" –—("), texts)


def _marks(text: str) -> list[tuple[re.Match[str], list[str]]]:
    """The marks of a caption, each with its letters: those of the first form of which the letters go on from a."""
    best: list[tuple[re.Match[str], list[str]]] = []
    for form in _FORMS:
        found = [(mark, _spelt_out(mark["letters"].lower())) for mark in form.finditer(text)]
        kept: list[tuple[re.Match[str], list[str]]] = []
        expected = "a"
        for mark, letters in found:
            if letters and letters[0] == expected and letters == sorted(set(letters)):
                kept.append((mark, letters))
                expected = chr(ord(letters[-1]) + 1)
        if sum(len(letters) for _, letters in kept) > sum(len(letters) for _, letters in best):
            best = kept
    return best if sum(len(letters) for _, letters in best) > 1 else []


def _spelt_out(letters: str) -> list[str]:
    """The letters of "a-c" or "a, b".

    >>> _spelt_out("a-c"), _spelt_out("a, b")
    (['a', 'b', 'c'], ['a', 'b'])
    """
    whole = _RANGE.fullmatch(letters.strip())
    if whole:
        return [chr(code) for code in range(ord(whole[1]), ord(whole[2]) + 1)]
    return re.findall(r"(?<![a-z])[a-p](?![a-z])", letters)


def in_order(count: int) -> Sequence[str]:
    """The first letters.

    >>> "".join(in_order(3))
    'abc'
    """
    return [chr(ord("a") + place) for place in range(count)]
