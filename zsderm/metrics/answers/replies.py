"""The answer in a free-text reply to a closed or multiple-choice question."""

from __future__ import annotations

from collections.abc import Sequence

from zsderm.metrics.answers.normal_form import words_of

YES, NO = "yes", "no"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def yes_or_no(reply: str) -> str:
    """Yes or no: the first word, or else the only one of the two that occurs; empty if the reply has no clear answer.

    >>> yes_or_no("Yes, there is no doubt."), yes_or_no("The answer is no."), yes_or_no("I cannot tell")
    ('yes', 'no', '')
    """
    words = words_of(reply)
    if words and words[0] in (YES, NO):
        return words[0]
    said = {YES, NO} & set(words)
    return said.pop() if len(said) == 1 else ""


def option_of(reply: str, options: Sequence[str]) -> str:
    """The option that a reply names; empty if it names none, or several.

    The reply may be an option, may contain exactly one option, or may give the letter of one ("B", "(b) psoriasis",
    "Answer: C"). An option inside a longer option that the reply contains does not count ("blue nevus", not "nevus").

    >>> option_of("It looks like a blue nevus.", ["nevus", "blue nevus"]), option_of("B.", ["scale", "crust"])
    ('blue nevus', 'crust')
    """
    said = words_of(reply)
    for option in options:
        if words_of(option) == said:
            return option
    held = [option for option in options if _holds(said, words_of(option))]
    longest = [o for o in held if not any(o != p and _holds(words_of(p), words_of(o)) for p in held)]
    if len(longest) == 1:
        return longest[0]
    return "" if longest else _by_letter(reply, options)


def _by_letter(reply: str, options: Sequence[str]) -> str:
    """The option whose letter a short reply gives; a lone small "a" in a sentence is an article."""
    words = reply.replace("(", " ").replace(")", " ").replace(":", " ").replace(".", " ").split()
    if len(words) > 2:
        return ""
    letters = [word.lower() for word in words if len(word) == 1 and word.lower() in _LETTERS[: len(options)]]
    return options[_LETTERS.index(letters[0])] if len(letters) == 1 else ""


def _holds(words: Sequence[str], part: Sequence[str]) -> bool:
    places = range(len(words) - len(part) + 1) if part else ()
    return any(list(words[place : place + len(part)]) == list(part) for place in places)
