"""Words that no photograph shows, words of the other modality, and sentences about a rival."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from zsderm.knowledge.authoring.checks.problem import ERROR, WARNING, Problem
from zsderm.knowledge.authoring.checks.word_lists import (
    ABSENT,
    DERMOSCOPIC,
    NOT_SEEN,
    RAKING,
    REGIONAL,
    RIVAL,
    SEEN,
    compiled,
)
from zsderm.knowledge.base import Description, Disease
from zsderm.modalities import PATHOLOGICAL

DIFFERS = "differs"  # what `shows` says of a sentence about a rival or about what is absent
COURSE = "course"  # what `shows` says of a sentence about stages


def wording(disease: Disease, shows: Mapping[Description, str]) -> Iterator[Problem]:
    """What the words of a disease's sentences give away.

    Args:
        disease: with its descriptions.
        shows: description -> what its field `shows` says, for those that have one.
    """
    for text in disease.descriptions:
        # Comparisons claim nothing, and in some phrases a listed word is something to see.
        plain = compiled(SEEN).sub("·", _LIKENED.sub("·", text.text))
        found = (*_not_seen(text, plain, shows.get(text, "")), *_modality(text, plain))
        if shows.get(text, "") != DIFFERS:
            found = (*found, *_rival(text, plain))
        yield from found
        if _hidden_only(text.text):
            reason = f"says that something is hard to see; say what brown or black skin shows: {text.text!r}"
            yield Problem(text.disease, reason, "dark skin", WARNING, text.text)


def dark_skin(text: str) -> bool:
    """Whether a sentence speaks of brown or black skin and says more than that redness is hard to see there.

    >>> dark_skin("On brown or black skin, violet-brown plaques with grey scale.")
    True
    >>> dark_skin("On dark skin the redness is hard to see.")
    False
    """
    return bool(_DARK.search(text)) and not _hidden_only(text)


def _hidden_only(text: str) -> bool:
    """Whether a sentence says of brown or black skin, not of fair skin, that something is hard to see."""
    dark = _DARK.search(text)
    return dark is not None and bool(_HARD_TO_SEE.search(text, dark.start()))


# "as if paint had been flicked from a brush", up to the next comma.
_LIKENED = re.compile(r"\bas (?:if|though|after)\b[^,;]*", re.IGNORECASE)

# "On brown or black skin", "in dark brown inner lips", "a deeply pigmented palm", "dark-skinned".
_DARK = re.compile(
    r"\b(?:brown|black|dark|darker|deep|deeply pigmented|olive|tanned)(?:,? [\w-]+){0,2} "
    r"(?:skins?|faces?|lips?|lids?|scalps?|legs?|shins?|foot|feet|soles?|hands?|palms?|fingers?|fingertips?|toes?|nails?"
    r"|gums?|tongue|complexions?|cheeks?|backs?|trunk|child|children|people|person|adults?|arms?|body|neck)\b"
    r"|\b(?:dark|brown|black)-skinned\b|\bdark-complexioned\b",
    re.IGNORECASE,
)
_HARD_TO_SEE = compiled(
    """
    hard to see; harder to see; hardly seen; hardly visible; less visible; less obvious; barely visible
    difficult to see; easily missed; not seen; may be missed; may be masked
    """
)


def _not_seen(text: Description, plain: str, shows: str) -> Iterator[Problem]:
    said: set[str] = set()
    for words in NOT_SEEN:
        found = list(dict.fromkeys(match.group() for match in words.pattern.finditer(plain)))
        if not found or words.check in said:
            continue  # errors come first; one finding of a kind is enough for a sentence
        said.add(words.check)
        # A sentence that is marked as one of stages is no evidence beside a photograph, so it may speak of time.
        severity = WARNING if words.check == "course" and shows == COURSE else words.severity
        reason = f"{', '.join(map(repr, found))} {words.says}: {text.text!r}"
        yield Problem(text.disease, reason, words.check, severity, text.text)


def _modality(text: Description, plain: str) -> Iterator[Problem]:
    if text.modality == PATHOLOGICAL:
        return  # these are of skin as one sees it
    if text.modality != "dermoscopic" and (found := compiled(DERMOSCOPIC).search(plain)):
        reason = f"{found.group()!r} is a term of dermoscopy, but the modality is {text.modality!r}: {text.text!r}"
        yield Problem(text.disease, reason, "modality", WARNING, text.text)
    if text.modality != "clinical" and (found := compiled(REGIONAL).search(plain)):
        reason = f"{found.group()!r} does not fit into a dermatoscope, but the modality is {text.modality!r}"
        severity = ERROR if text.modality == "either" else WARNING
        yield Problem(text.disease, f"{reason}: {text.text!r}", "modality", severity, text.text)
    if text.modality != "clinical" and (found := compiled(RAKING).search(plain)):
        reason = f"{found.group()!r} is not to be had under a dermatoscope, but the modality is {text.modality!r}"
        yield Problem(text.disease, f"{reason}: {text.text!r}", "modality", ERROR, text.text)


def _rival(text: Description, plain: str) -> Iterator[Problem]:
    if found := compiled(RIVAL).search(plain):
        reason = f"{found.group()!r} speaks of another disease; say the sign of this one: {text.text!r}"
        yield Problem(text.disease, reason, "rival", WARNING, text.text)
    elif text.shows != DIFFERS and (found := ABSENT.match(text.text)):
        reason = f"{found.group().strip()!r} speaks of what is absent; say what there is to see: {text.text!r}"
        yield Problem(text.disease, reason, "rival", WARNING, text.text)
