"""The codes in which public data sets write their classes, and when a class list is read as such codes.

"DF" alone may be a dermatofibroma or a digital fibroma; beside AKIEC, BCC, BKL, MEL, NV and VASC it is the first. The
codes are data, in code_sets.json: name of the data set -> code -> what the data set's authors mean by it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zsderm.knowledge.names import without_photos

FEWEST = 2  # classes: one code alone makes nothing plain


@dataclass(frozen=True)
class CodeReading:
    """What the codes in a class list mean.

    Attributes:
        sets: names of the data sets whose codes they are, each needed for at least one of them.
        codes: class as the user gave it -> disease; only classes that are read as a code.
    """

    sets: tuple[str, ...]
    codes: Mapping[str, str]

    def meaning(self, class_name: str) -> str:
        """The disease that a class means, or its own name where it is not read as a code."""
        return self.codes.get(class_name, class_name)


@cache
def code_sets() -> Mapping[str, Mapping[str, str]]:
    """Every set: name of the data set -> code -> disease."""
    found: dict[str, dict[str, str]] = json.loads(
        Path(__file__).with_name("code_sets.json").read_text(encoding="utf-8")
    )
    return found


def read_codes(classes: Sequence[str]) -> CodeReading:
    """Read a class list as the codes of the data sets that it fits.

    A list of at least two classes fits a set if all of its classes are codes of the set, or if at least half of the
    codes of the set are in the list. Two spellings of one code count once. Capitals, separators ("ben oth"), a plural
    ("AKs") and words that say only that it is a folder of photographs ("AK photos") do not matter. Where several sets
    fit, the set with more of the list's classes decides what a code means; where two with equally many differ, the code
    is left as it is. Classes that are no code of a fitting set are left as they are.

    Args:
        classes: C class names as the user gave them.

    >>> read_codes(["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]).meaning("df")
    'dermatofibroma'
    >>> read_codes(["DF", "acne"]).meaning("DF")
    'DF'
    """
    every = {_key(code) for codes in code_sets().values() for code in codes}
    keys = {name: _key_among(every, name) for name in classes}
    folded = {title: {_key(code): disease for code, disease in codes.items()} for title, codes in code_sets().items()}
    distinct = set(keys.values())  # "AK photos" is no company for "AKs"
    shared = {title: len(distinct & codes.keys()) for title, codes in folded.items()}
    fitting = [
        title
        for title, codes in folded.items()
        if len(distinct) >= FEWEST and (shared[title] == len(distinct) or 2 * shared[title] >= len(codes))
    ]
    fitting.sort(key=lambda title: -shared[title])
    meanings: dict[str, str] = {}
    for name, key in keys.items():
        holding = [title for title in fitting if key in folded[title]]
        said = {folded[title][key] for title in holding if shared[title] == shared[holding[0]]}
        if len(said) == 1:
            meanings[name] = said.pop()
    used: dict[str, None] = {}
    for name, disease in meanings.items():
        used |= {next(title for title in fitting if folded[title].get(keys[name]) == disease): None}
    return CodeReading(tuple(used), meanings)


def _key_among(known: AbstractSet[str], name: str) -> str:
    """The key of a class name: without what a folder's name adds to a code, where that makes it one."""
    key = _key(without_photos(name))
    return key.removesuffix("s") if key not in known else key


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
