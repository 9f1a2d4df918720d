"""A caption in pieces that read like sentences."""

from __future__ import annotations

import re

from zsderm.pretrain.data.captions import SUB_CAPTIONS

LONG = 14  # words from which a sentence is cut at its commas as well
SHORT = 3  # words below which a piece goes with its neighbour

_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_COMMA = re.compile(r",\s+(?!(?:and|or|nor)\b)|,?\s+(?=(?:but|however|although)\b)")


def split(caption: str) -> list[str]:
    """Cut a caption into at most eight pieces; together they hold every word of it, in order.

    Args:
        caption: any text.

    Returns:
        Pieces without the comma, semicolon or full stop at their ends. A caption of one piece gives that piece.
    """
    pieces = [piece for sentence in _SENTENCE.split(caption.strip()) for piece in _pieces(sentence)]
    while len(pieces) > SUB_CAPTIONS:
        place = min(range(len(pieces) - 1), key=lambda n: _words(pieces[n]) + _words(pieces[n + 1]))
        pieces[place : place + 2] = [f"{pieces[place]}, {pieces[place + 1]}"]
    return pieces


def _pieces(sentence: str) -> list[str]:
    parts = _COMMA.split(sentence) if _words(sentence) >= LONG and not _lists(sentence) else [sentence]
    joined: list[str] = []
    for part in (stripped for part in parts if (stripped := part.strip(" \t,;.!"))):
        if joined and min(_words(part), _words(joined[-1])) < SHORT:
            joined[-1] = f"{joined[-1]}, {part}"
        else:
            joined.append(part)
    return joined


def _lists(sentence: str) -> bool:
    """Whether its commas stand in a denial that goes on to an "or": cut there, its second half would affirm."""
    return bool(
        re.search(r"\b(?:no|not|without|denies|nor|neither)\b[^.;]*,[^.;]*\b(?:or|nor)\b", sentence, re.IGNORECASE)
    )


def _words(text: str) -> int:
    return len(text.split())
