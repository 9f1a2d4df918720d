"""Lines of print made into one text: words that were divided at the end of a line become whole."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

# What keeps its hyphen: a word of its own before it, as in "well-defined" or "45-year-old".
_KEEPS = frozenset(
    [
        *(
            "well",
            "ill",
            "self",
            "non",
            "high",
            "low",
            "long",
            "short",
            "full",
            "half",
            "near",
            "far",
            "post",
            "pre",
            "anti",
        ),
        *(
            "semi",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "red",
            "blue",
            "grey",
            "gray",
        ),
        *("brown", "black", "white", "yellow", "pink", "purple", "violet", "green", "orange", "pale", "dark", "light"),
        *(
            "skin",
            "flesh",
            "year",
            "old",
            "month",
            "week",
            "day",
            "cell",
            "T",
            "B",
            "x",
            "double",
            "single",
            "multi",
            "thick",
        ),
        *("thin", "soft", "hard", "dome", "ring", "coin", "target", "cobble", "late", "early", "sharply", "poorly"),
        *("slow", "fast", "sun", "heat", "hand", "foot", "large", "small", "medium", "follow", "sub"),
    ]
)
_DIVIDED = re.compile(r"([\w']+)-$")
_WORD = re.compile(r"[\w'-]+")
_CJK = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")


def joined_lines(lines: Sequence[str], known: Collection[str] = ()) -> str:
    """Lines of one paragraph as one text.

    Args:
        lines: as they are printed.
        known: other text of the page, which shows how a word is written that was divided.

    >>> joined_lines(["sharply demarcated hyper-", "keratotic, well-", "defined plaque"])
    'sharply demarcated hyperkeratotic, well-defined plaque'
    """
    text = ""
    words = {word.lower() for line in known for word in _WORD.findall(line)}
    for line in (line.strip() for line in lines):
        if not line:
            continue
        if not text:
            text = line
            continue
        divided, begins = _DIVIDED.search(text), re.match(r"[\w']+", line)
        if divided and begins:
            text = text if _keeps(divided[1], begins[0], words) else text[:-1]
            text += line
        elif _CJK.match(text[-1]) and _CJK.match(line[0]):
            text += line
        else:
            text += f" {line}"
    return " ".join(text.split())


def _keeps(before: str, after: str, words: Collection[str]) -> bool:
    """Whether a hyphen at the end of a line belongs to the word."""
    whole, hyphened = (before + after).lower(), f"{before}-{after}".lower()
    if hyphened in words or whole in words:
        return hyphened in words and whole not in words
    return before.isdigit() or before in _KEEPS or before.lower() in _KEEPS or not after[0].islower()
