"""Ages that a text tells of in numbers, words ("seventy-two", "in my fifties") or times of life ("my baby").

A sentence model hardly hears the difference between sixteen and sixty. So ages are read as numbers, in stories and in
what is said of a disease, and are near each other by the difference of their square roots: two years are much in a
baby and little in old age.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_DECADES = {"teens": 15.0, **{f"{ten.removesuffix('y')}ies": years + 5.0 for ten, years in _TENS.items()}}
_NUMBERS = {
    **{word: years for years, word in enumerate(_UNITS)},
    **_TENS,
    **{f"{ten}{gap}{unit}": _TENS[ten] + _UNITS.index(unit) for ten in _TENS for unit in _UNITS[1:10] for gap in "- "},
}
_LIVES = {
    "newborn": 0.05, "baby": 0.6, "infancy": 0.6, "toddler": 2.0, "nursery": 3.0, "kindergarten": 4.0,
    "childhood": 7.0, "schoolchild": 9.0, "puberty": 13.0, "teenager": 15.0, "menopause": 52.0, "grandchild": 67.0,
    "grandchildren": 67.0, "retirement": 67.0, "retired": 68.0, "pensioner": 70.0,
}  # fmt: skip
# What descriptions of a disease call those who have it.
_PEOPLE = {
    "newborn": 0.1, "infant": 0.6, "infants": 0.6, "baby": 0.6, "toddler": 2.0, "child": 7.0, "children": 7.0,
    "adolescent": 16.0, "teenager": 16.0, "young adult": 25.0, "young man": 25.0, "young woman": 25.0,
    "middle-aged": 50.0, "older adult": 65.0, "older man": 65.0, "older woman": 65.0, "older person": 65.0,
    "aged skin": 70.0, "elderly": 72.0, "old age": 75.0,
}  # fmt: skip
OLDEST = 105.0  # a larger number is no age
WIDTH = 1.6  # in square roots of years: 30 and 50 are 1.6 apart, and so are 4 and 13
FLOOR = 0.2  # agreement of an age that does not fit at all; nobody is too old for a disease

_N = rf"(\d{{1,3}}|{'|'.join(sorted(map(re.escape, _NUMBERS), key=len, reverse=True))})"
_NO_AGE = (
    r"(?!\s*(?:%|days?|weeks?|months?|times?|hours?|minutes?|o'clock|years? (?:ago|now|later|before|and)|other|of|or|in"
    r"|centi|milli|cm|mm|pounds|kilo|stone|places?|spots?|percent|a\.?m|p\.?m|per|to)\b)"
)
_STATED = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:i am|i['’]?m|i was|he is|he['’]s|she is|she['’]s|aged?|turned|now|since i was|since age|since the age of"
        r"|when i was|at about|before|until|past|after|by|is)\s+"
        rf"(?:only |just |about |nearly |almost |now |already |past |over |a man of |a woman of )?{_N}\b{_NO_AGE}",
        rf"\b{_N}(?:\s*|-)(?:years?[- ]old|yrs?\b|y/?o\b)",
        r"\b(?:my|our) (?:son|daughter|boy|girl|child|mother|father|husband|wife|mum|dad|grandson|granddaughter)"
        rf"[^.,]{{0,20}},\s*{_N}\b{_NO_AGE}",
    )
]
_DECADE = re.compile(rf"\b(?:my|in|his|her|late|early|mid)[- ](?:early |late |mid-?)?({'|'.join(_DECADES)})\b", re.I)
_YOUNG = re.compile(rf"\b{_N}(?:\s*|-)(week|month)s?[- ]old|\bbaby is {_N} (week|month)s?", re.IGNORECASE)
_LIFE = re.compile(rf"\b(?:my|our|a|was|the|am|since|in)\s+(?:\w+\s)?({'|'.join(_LIVES)})\b", re.IGNORECASE)
_PERSON = re.compile(rf"\b({'|'.join(_PEOPLE)})\b", re.IGNORECASE)
_FROM = re.compile(r"\b(?:past|before|none|not|never|after|over|until|since)\b", re.IGNORECASE)


def age_in(story: str) -> float | None:
    """The age, in years, that a story tells first; None where it tells of none.

    >>> age_in("I am seventy-two."), age_in("It began three weeks ago."), age_in("my son, 5, has it too")
    (72.0, None, 5.0)
    """
    return next(_ages(story), None)


def _ages(text: str) -> Iterator[float]:
    """All ages in years, of plain statements first."""
    for pattern in _STATED:
        yield from (years for found in pattern.finditer(text) if (years := _number(found[1])) <= OLDEST)
    yield from (_DECADES[found[1].lower()] for found in _DECADE.finditer(text))
    for found in _YOUNG.finditer(text):
        yield _number(found[1] or found[3]) / (52 if (found[2] or found[4]).lower() == "week" else 12)
    yield from (_LIVES[found[1].lower()] for found in _LIFE.finditer(text))


def _number(text: str) -> float:
    return float(text) if text.isdigit() else float(_NUMBERS[text.lower()])


@dataclass(frozen=True)
class AgesOfClass:
    """The ages at which a disease is told of.

    Attributes:
        at: ages in years at which it is.
        since: ages before which it is seldom: "I was past sixty before ...".
    """

    at: frozenset[float] = frozenset()
    since: frozenset[float] = frozenset()

    @classmethod
    def of(cls, reports: Iterable[str], descriptions: Iterable[str]) -> AgesOfClass:
        """From what patients report of a disease, and from the people that its descriptions speak of."""
        at: set[float] = set()
        since: set[float] = set()
        for text in reports:
            (since if _FROM.search(text) else at).update(_ages(text))
        for text in descriptions:
            at.update(_PEOPLE[found[1].lower()] for found in _PERSON.finditer(text))
        return cls(frozenset(at), frozenset(since))

    def agreement(self, age: float) -> float:
        """How well an age in years fits: log of `FLOOR` to 1, so 0 at best; NaN where nothing is known.

        log(FLOOR + (1 - FLOOR) mean_k exp(-(sqrt(age) - sqrt(age_k))^2 / (2 WIDTH^2))), where an age beyond one of
        `since` counts as 1.
        """
        near = [_nearness(age, known) for known in sorted(self.at)]
        near += [1.0 if age >= known else _nearness(age, known) for known in sorted(self.since)]
        return math.log(FLOOR + (1 - FLOOR) * sum(near) / len(near)) if near else math.nan


def _nearness(age: float, known: float) -> float:
    return math.exp(-(((math.sqrt(age) - math.sqrt(known)) / WIDTH) ** 2) / 2)
