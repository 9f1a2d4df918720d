"""What the sentence model can read: English. A story that is not, or hardly says anything, is told so in a note."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
SHORT = 4  # words; of fewer, the language cannot be told
ENGLISH = (
    0.5  # share of known words from which on a story is taken for English: 0.8 to 1 in English, under 0.4 in others
)

NOTHING = "nothing is told"
FOREIGN = "left out, because few of its words are English, and only English can be read"
BRIEF = "it is very short"


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of English texts, by which English is known.

    >>> sorted(words_of(["It doesn’t itch."]))
    ["doesn't", 'it', 'itch']
    """
    return frozenset(word for text in texts for word in _listed(text))


def note_on(story: str, known: frozenset[str]) -> str:
    """What a reader should know of how a story is read: `NOTHING`, `FOREIGN`, `BRIEF`, or an empty text.

    Args:
        story: without names of diseases.
        known: English words, of some thousand sentences on diseases. Where there are none, nothing is called foreign.

    >>> note_on("Me pica mucho de noche.", words_of(["It itches much at night."])) == FOREIGN
    True
    """
    words = _listed(story)
    if not words:
        return NOTHING
    latin = sum(word.isascii() for word in words)
    strange = sum(word not in known for word in words) > (1 - ENGLISH) * len(words)
    if 2 * latin < len(words) or (known and strange and len(words) >= SHORT):
        return FOREIGN
    return BRIEF if len(words) < SHORT else ""


def _listed(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORDS.findall(text)]
