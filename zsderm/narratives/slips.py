"""Typing errors, as people make them."""

from __future__ import annotations

import random
import re

_WORD = re.compile(r"[A-Za-z']+")
# Keys beside each other on an English keyboard.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {
    key: "".join(row[max(place - 1, 0) : place] + row[place + 1 : place + 2])
    for row in _ROWS
    for place, key in enumerate(row)
}
_SHORTEST = 4  # letters of a word that is mistyped


def with_slips(text: str, dice: random.Random, share: float) -> str:
    """A text in which some words are mistyped: letters change places, are missing, doubled, or from the key beside.

    Args:
        text: of any length.
        dice: from which everything is drawn; nothing is, where there are no slips to make.
        share: of the words, 0 to 1; apostrophes are left out in half of the words that have one, where it is not 0.
    """
    if not share:
        return text
    return _WORD.sub(lambda found: _slipped(found[0], dice, share), text)


def _slipped(word: str, dice: random.Random, share: float) -> str:
    if "'" in word and dice.random() < 0.5:
        return word.replace("'", "")
    if len(word) < _SHORTEST or dice.random() >= share:
        return word
    place = dice.randrange(1, len(word) - 1)
    kind = dice.randrange(4)
    if kind == 0:
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if kind == 1:
        return word[:place] + word[place + 1 :]
    if kind == 2:
        return word[: place + 1] + word[place:]
    return word[:place] + dice.choice(_BESIDE.get(word[place], word[place])) + word[place + 1 :]
