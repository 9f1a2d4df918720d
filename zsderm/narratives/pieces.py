"""A story cut into pieces that each say one thing, and whether a piece says or denies it.

A sentence model hears "it itches" in "it does not itch". So denials are found by a closed list of words and taken out
of a piece: what is left is what is denied, and the piece remembers that it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from zsderm.narratives.masking import MASK

_SENTENCES = re.compile(r"(?<=[.!?;])\s+|\n+")
_CLAUSES = re.compile(r"[,:]\s+(?:(?:and|but|although|though)\s+)?|\s+(?:and|but|although|though)\s+", re.IGNORECASE)
_SHORTEST = 2  # words of a piece; a shorter one belongs to what stands before it
_LETTERS = re.compile(r"[^\W\d_]{3,}")  # what has not even one short word in it says nothing

_AUXILIARIES = "do does did is are was were has have had can could will would should"
_NOT_AFTER = "|".join(_AUXILIARIES.split())
_DENIALS = re.compile(
    rf"\b(?:{_NOT_AFTER})(?:\s+not|n['’]?t)\b|\b(?:cannot|can['’]?t|won['’]?t)\b"
    r"|\b(?:not|never|no longer|no|none|nothing|without|neither|nor|nobody|hardly|free of)\b",
    re.IGNORECASE,
)
# Words of denial that deny no complaint: "not only", "nothing helps", "I cannot sleep".
_NOT_DENIED = re.compile(
    r"\b(?:not only|no matter|why not|no sleep|nothing (?:helps|helped|works|worked))\b"
    r"|\b(?:cannot|can['’]?t|could not|couldn['’]?t|do not|don['’]?t|did not|didn['’]?t) "
    r"(?:sleep|stop|stand|see|want|like|understand|help|think)\b",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"\b(?:do not|don['’]?t|did not|didn['’]?t|cannot|can['’]?t|could not|couldn['’]?t) (?:know|say|tell|remember)\b"
    r"|\b(?:not sure|no idea|unsure)\b",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(r"\b(?:at all|no longer|free of|not|never|hardly|neither|nor|no|none|without)\b", re.IGNORECASE)
_DO_NOT = re.compile(r"\b(?:do|does|did)(?:\s+not|n['’]?t)\b", re.IGNORECASE)
_IS_NOT = re.compile(rf"\b({_NOT_AFTER})(?:\s+not|n['’]?t)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Piece:
    """One thing that a story, or a sentence of the knowledge base, says.

    Attributes:
        text: as it stands there.
        said: what is said or denied, without the words that deny it.
        denied: whether it is denied.
    """

    text: str
    said: str
    denied: bool


def pieces_of(story: str) -> list[Piece]:
    """What a story says, in its order, each thing once; nothing of what the patient does not know.

    >>> pieces = pieces_of("It itches, but it has never bled. I do not know if it grew.")
    >>> [(piece.said, piece.denied) for piece in pieces]
    [('It itches', False), ('it has bled', True)]
    """
    found = (piece_of(text) for text in dict.fromkeys(_cut(story.replace(MASK, " "))) if not _UNKNOWN.search(text))
    return [piece for piece in found if _LETTERS.search(piece.said)]


def piece_of(text: str) -> Piece:
    """One piece, uncut.

    >>> piece_of("There is no pain.")
    Piece(text='There is no pain.', said='There is pain', denied=True)
    """
    counted = _DENIALS.findall(_NOT_DENIED.sub(" ", text))
    return Piece(text, _affirmed(text) if counted else text, len(counted) % 2 == 1)


def _cut(story: str) -> list[str]:
    found: list[str] = []
    for sentence in _SENTENCES.split(story):
        parts: list[str] = []
        for part in _CLAUSES.split(sentence):
            words = part.strip(" .,;")
            if len(words.split()) >= _SHORTEST or not parts:
                parts.append(words)
            elif words:
                parts[-1] += f" {words}"
        found += [part for part in parts if part]
    return found


def _affirmed(text: str) -> str:
    plain = _IS_NOT.sub(r"\1", _DO_NOT.sub(" ", text))
    return " ".join(_EMPHASIS.sub(" ", plain).split()).strip(" ,.") or text
