"""What the sentence model can read: English. A story that is not, or hardly says anything, is told so in a note."""

from __future__ import annotations

import re

_WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
# Words that no English story of some length does without; few of them are words of another language as well.
_COMMON = frozenset(
    """
    the and of to it is was have has had i my on in for with that this not but when they are been from which there
    since after before again never ago all very some more she he her his we our you your about now so than were would
    itch itches itchy pain painful hurts bleeds spot spots skin years months weeks days year month week old started
    began got get gets comes came new my around up down out off no at by an its it's i'm im doesn't didn't don't
    lump bump rash red sore burning grew grown bigger face arm leg back hand nose neck chest after does do did as
    """.split()
)
SHORT = 4  # words; of fewer, the language cannot be told
ENGLISH = 0.15  # share of such words from which on a story is taken for English; in real ones it is 0.3 to 0.6

NOTHING, FOREIGN, BRIEF = (
    "nothing is told",
    "it does not seem to be English, which is what the sentence model reads, so it was left out",
    "it is very short",
)


def is_readable(story: str) -> bool:
    """Whether a story, without names of diseases, may be English.

    >>> is_readable("It itches at night."), is_readable("Me pica mucho por la noche desde hace tres semanas.")
    (True, False)
    """
    words = [word.lower() for word in _WORDS.findall(story)]
    latin = sum(word.isascii() for word in words)
    if 2 * latin < len(words):
        return False
    return len(words) < SHORT or sum(word.replace("’", "'") in _COMMON for word in words) >= ENGLISH * len(words)


def note_on(story: str) -> str:
    """What a reader should know of how a story was read; empty where nothing is special."""
    words = _WORDS.findall(story)
    if not words:
        return NOTHING
    if not is_readable(story):
        return FOREIGN
    return BRIEF if len(words) < SHORT else ""
