"""JSON in what a model says: between thoughts, code fences and talk, which may hold braces too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_THOUGHT = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)


def json_object(answer: str, *keys: str) -> dict[str, object] | None:
    """The JSON object that an answer gives, or None.

    What stands between the tags of thoughts is not read. Of several objects, the last that has all the keys is the
    answer: models repeat the form before they fill it. Without such, only a single object is one.

    Args:
        answer: the words of a model.
        keys: what the object has to have, if that is known.

    >>> json_object('<think>{disease}?</think> Sure! {"disease": "melanoma"} Hope {that} helps', "disease")
    {'disease': 'melanoma'}
    """
    found = list(_objects(spoken(answer) or ""))
    fitting = [one for one in found if all(key in one for key in keys)]
    if keys and fitting:
        return fitting[-1]
    return found[0] if len(found) == 1 else None


def spoken(answer: str) -> str | None:
    """An answer without its thoughts, <think>...</think> and the like; None where it ends in a thought.

    >>> spoken("so <think>hm</think>yes")
    'so yes'
    """
    kept: list[str] = []
    end, thinking = 0, False
    for tag in _THOUGHT.finditer(answer):
        if not thinking:
            kept.append(answer[end : tag.start()])
            if tag[1]:  # servers that begin an answer with the opening tag leave it out
                kept.clear()
        thinking, end = not tag[1], tag.end()
    return None if thinking else "".join(kept) + answer[end:]


def is_text(words: str) -> bool:
    """Whether words can be written to a file: they hold no half of a character (no lone surrogate)."""
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


def _objects(text: str) -> Iterator[dict[str, object]]:
    """The outermost JSON objects of a text, in their order."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        end = start + 1
        try:
            value, end = decoder.raw_decode(text, start)
            if is_text(json.dumps(value, ensure_ascii=False)):
                yield value
        except ValueError:
            pass  # a brace of the talk
        except RecursionError:
            return  # nested by somebody who means harm
        start = text.find("{", end)
