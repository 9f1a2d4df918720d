"""What a caption says of a thing it names: that it is there, that it is not, that it may be, or that it once was.

A word such as "no" speaks for what follows it in its clause, until a word that begins something new ("but", "with").
A comma ends it as well, unless a list of short items goes on to an "or": "no scale, crust or ulcer" denies three
things, "no itching, red plaque" one. This is the idea of NegEx (Chapman et al., Journal of Biomedical Informatics 34,
2001) with words of our own; it is made of rules, and a caption that breaks them is misread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from itertools import pairwise

from zsderm.pretrain.extraction.mentions import Token

FARTHEST = 16  # words over which a denial reaches
NEAREST = 6  # words over which a doubt reaches
ITEM = 4  # words of one item of a list; longer, it is no item
AFTER = 6  # words behind a thing among which its denial may stand

_SENTENCE = re.compile(r"[.!?](\s|$)|\n")
_HARD = re.compile(r"[.!?](\s|$)|[;:\n()\[\]–—]|\s-\s")
# All words here are as `words` folds them: "denies" is "deny", "lacks" is "lack".
_DENY = {"no", "not", "without", "deny", "denied", "denying", "absent", "absence", "lack", "lacking", "neither", "nor"}
_DENY |= {"never", "non", "exclude", "excluding", "unlike"}
_DENY_OF = {("free", "of"), ("negative", "for"), ("rather", "than"), ("instead", "of"), ("devoid", "of")}
_DENY_OF |= {("contrast", "to"), ("contrast", "with")}
_UNLIKE = {"unlike", "contrast"}
_VERBS = {"show", "showing", "shown", "have", "had", "present"}
_WHOLE_LIST = {"without", "lack", "lacking", "free", "devoid"}  # "without scale, crust and ulcers" denies three things
_NO_DENIAL = {"only", "doubt", "change", "just", "merely", "certain", "sure"}  # "not only scaly but also red"
_NEW = {"but", "however", "although", "though", "yet", "except", "show", "showing", "shown", "that", "which", "there"}
_NEW |= {"is", "are", "has", "have", "had", "having", "present", "presenting", "appear", "with", "was", "were"}
_BEFORE_WITH = {"associated", "covered", "accompanied", "consistent", "compatible"}  # "not associated with scale"
_ARTICLES = {"a", "an", "the"}
_COPULA = {"is", "are", "was", "were", "be", "been", "being", "has", "have", "had"}
_DENY_AFTER = {"absent", "unlikely", "negative", "excluded", "none"}
_SEEN = {
    "seen",
    "observed",
    "noted",
    "present",
    "identified",
    "found",
    "visible",
    "appreciated",
    "apparent",
    "detected",
}
_DOUBT = {"possible", "possibly", "probable", "probably", "suspected", "suspicious", "suspicion", "likely"}
_DOUBT |= {"presumed", "versus", "vs", "mimicking", "mimic", "resembling", "resemble", "query"}
_DOUBT |= {"questionable", "maybe", "perhaps", "may"}
_DOUBT_OF = {("rule", "out"), ("similar", "to"), ("look", "like"), ("favor", "of"), ("concern", "for")}
_DIFFERENTIAL = {"differential", "differentials", "ddx"}
_DOUBT_AFTER = {"suspected", "versus", "vs", "possible", "likely"}
_PAST = {"history", "previous", "previously", "prior", "mother", "father", "family", "sister", "brother", "former"}


class Status(Enum):
    """What a caption says of a thing it names."""

    AFFIRMED = "affirmed"
    DENIED = "denied"
    DOUBTED = "doubted"
    PAST = "past"


REASONS = {
    Status.DENIED: "the caption denies it",
    Status.DOUBTED: "the caption only suspects it",
    Status.PAST: "the caption speaks of the past or of relatives",
}


def status_of(text: str, tokens: Sequence[Token], first: int, last: int) -> tuple[Status, str]:
    """What a caption says of the thing that some of its words name.

    Args:
        text: the caption.
        tokens: its words.
        first: the first word of the name.
        last: the word behind its last.

    Returns:
        The status, and the word that gives it; an empty one for what is affirmed.
    """
    start = _clause_start(text, tokens, first)
    stop = _clause_stop(text, tokens, last)
    if trigger := _denied_before(text, tokens, start, first) or _denied_after(text, tokens, last, stop):
        return Status.DENIED, trigger
    near = max(start, first - NEAREST)
    if trigger := _said_before(text, tokens, near, first, _PAST, set()):
        return Status.PAST, trigger
    trigger = _said_before(text, tokens, near, first, _DOUBT, _DOUBT_OF) or _doubted_after(text, tokens, last, stop)
    if trigger := trigger or _among_others(text, tokens, first):
        return Status.DOUBTED, trigger
    return Status.AFFIRMED, ""


def _gap(text: str, tokens: Sequence[Token], place: int) -> str:
    """What stands between a word and the next one."""
    end = tokens[place + 1].start if place + 1 < len(tokens) else len(text)
    return text[tokens[place].end : end]


def _clause_start(text: str, tokens: Sequence[Token], first: int) -> int:
    return next((place + 1 for place in range(first - 1, -1, -1) if _HARD.search(_gap(text, tokens, place))), 0)


def _clause_stop(text: str, tokens: Sequence[Token], last: int) -> int:
    ends = (place + 1 for place in range(last - 1, len(tokens)) if _HARD.search(_gap(text, tokens, place)))
    return next(ends, len(tokens))


def _denied_before(text: str, tokens: Sequence[Token], start: int, first: int) -> str:
    for place in range(first - 1, max(start, first - FARTHEST) - 1, -1):
        width = _width(tokens, place, _DENY, _DENY_OF)
        if not width or place + width > first:
            continue
        after = place + width
        if after < len(tokens) and tokens[after].word in _NO_DENIAL:
            continue
        if first < (_contrasted(text, tokens, place, after) or _reach(text, tokens, after, _NEW)):
            return " ".join(token.text for token in tokens[place:after])
    return ""


def _contrasted(text: str, tokens: Sequence[Token], place: int, after: int) -> int:
    """The word behind the last of what a thing is only compared with ("unlike a ring with a scaly edge"); 0 for none.

    A comparison takes in what comes with the other thing, so it goes on to a comma ("rather than") or, as it mostly
    stands last, to the end of its clause ("unlike").
    """
    stop = _clause_stop(text, tokens, after) if after < len(tokens) else after
    stop = next((n for n in range(after, stop) if tokens[n].word in ("but", "and", "however")), stop)
    if tokens[place].word in _UNLIKE:
        return stop
    if tokens[place].word in ("rather", "instead"):
        return _list_end(text, tokens, after, stop, {"or"})
    return 0


def _reach(text: str, tokens: Sequence[Token], after: int, new: set[str]) -> int:
    """The word behind the last that a denial or a doubt speaks for; it ends at a word of `new`."""
    stop = _clause_stop(text, tokens, after) if after < len(tokens) else after
    # "does not show": a verb right behind the denial is what is denied.
    stop = next((n for n in range(after, stop) if _begins_anew(tokens, n, new - _VERBS if n == after else new)), stop)
    whole = {token.word for token in tokens[max(0, after - 2) : after]} & _WHOLE_LIST
    joints = {"or", "nor", "and"} if whole else {"or", "nor"}
    return _list_end(text, tokens, after, stop, joints)


def _list_end(text: str, tokens: Sequence[Token], after: int, stop: int, joints: set[str]) -> int:
    """Where a list ends: at its first comma, or behind the item that a joint such as "or" makes the last."""
    ends = [*(place + 1 for place in range(after, stop - 1) if "," in _gap(text, tokens, place)), stop]
    words = [token.word for token in tokens]
    if joints & set(words[after : ends[0]]):
        return ends[0]
    for start, end in pairwise(ends):
        if joints & set(words[start : min(end, start + ITEM + 1)]) and words[start] not in _ARTICLES:
            return end
        if end - start > ITEM:
            break
    return ends[0]


def _begins_anew(tokens: Sequence[Token], place: int, new: set[str]) -> bool:
    word = tokens[place].word
    following = tokens[place + 1].word if place + 1 < len(tokens) else ""
    if word == "with" and place > 0 and tokens[place - 1].word in _BEFORE_WITH:
        return False
    return word in new or word in _DENY or (word == "and" and (following in _ARTICLES or following in new))


def _denied_after(text: str, tokens: Sequence[Token], last: int, stop: int) -> str:
    if last >= len(tokens):
        return ""
    after = tokens[last]
    free = after.word == "free" and last < stop and (last + 1 >= stop or tokens[last + 1].word != "of")
    listed = ":" in _gap(text, tokens, last - 1) and after.word in {"no", *_DENY_AFTER}  # "ulceration: none"
    if free or listed:
        return after.text
    commas = (place for place in range(last, stop) if "," in _gap(text, tokens, place - 1))
    stop = min(next(commas, stop), last + AFTER)
    for place in range(last, stop):
        words = [token.word for token in tokens[place : min(stop, place + 3)]]
        if words[0] == "not" and set(words[1:]) & _SEEN:
            return f"not {tokens[place + 1].text}"
        last_word = place in (last, stop - 1) or tokens[place - 1].word in _COPULA  # not "vessels and absent papillae"
        if (words[0] in _DENY_AFTER and last_word) or words[:2] == ["ruled", "out"]:
            doubtful = {token.word for token in tokens[last:place]} & {"not", "cannot"}
            return "" if doubtful else tokens[place].text
        if words[0] in _NEW - _COPULA:
            break
    return ""


def _doubted_after(text: str, tokens: Sequence[Token], last: int, stop: int) -> str:
    if _gap(text, tokens, last - 1).lstrip().startswith("?"):
        return "?"
    for place in range(last, min(stop, last + 4)):
        word = tokens[place].word
        if "," in _gap(text, tokens, place - 1):
            return ""
        if word in _DOUBT_AFTER or (word in ("not", "cannot") and stop > place + 1):
            return tokens[place].text
        if word not in _COPULA:
            return ""
    return ""


def _said_before(
    text: str, tokens: Sequence[Token], start: int, first: int, single: set[str], pairs: set[tuple[str, str]]
) -> str:
    for place in range(first - 1, start - 1, -1):
        width = _width(tokens, place, single, pairs)
        if width and first < _reach(text, tokens, place + width, _NEW - _COPULA):
            return " ".join(token.text for token in tokens[place : place + width])
    return ""


def _among_others(text: str, tokens: Sequence[Token], first: int) -> str:
    """The word "differential", if it stands before a thing in its sentence: all that follow it are only considered."""
    for place in range(first - 1, -1, -1):
        if _SENTENCE.search(_gap(text, tokens, place)):
            return ""
        if tokens[place].word in _DIFFERENTIAL:
            return tokens[place].text
    return ""


def _width(tokens: Sequence[Token], place: int, single: set[str], pairs: set[tuple[str, str]]) -> int:
    """How many words of a trigger stand at a place; 0 for none."""
    word = tokens[place].word
    following = tokens[place + 1].word if place + 1 < len(tokens) else ""
    if (word, following) in pairs:
        return 2
    return 1 if word in single else 0
