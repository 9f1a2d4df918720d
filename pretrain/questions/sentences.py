"""Which sentences of a caption are about this picture, and about what can be seen in it."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?;])\s+|\n+")
# "usually scaly", "on darker skin": true of the disease, and perhaps not of this picture.
_GENERAL = re.compile(
    r"\b(?:often|usually|sometimes|typically|commonly|rarely|frequently|mostly|generally|tends?|occasionally|may|might|"
    r"can|could|if|when|whereas|later|earlier|eventually|over time|with time|early on|at first|become[s]?|"
    r"most patients|in some|in many|some patients|children|adults?|adolescents?|infants?|elderly|"
    r"favou?rs?|spar(?:es|ing)|in the \w+ (?:form|type|variant|kind)|the \w+ (?:form|type|variant))\b|"
    r"\b(?:on|in|over|against)\s+(?:a\s+)?(?:very\s+)?(?:deeply\s+)?(?:fair|light|pale|white|tanned|brown|dark|black|"
    r"olive|pigmented|coloured)(?:er)?(?:\s+(?:or|to|and)\s+\w+)?(?:[\s-](?:brown|toned|pigmented|coloured|complexioned))?\s+(?:skin|complexion)|^on\s[^.;]{0,40}\bskin\b",
    re.IGNORECASE,
)
# No camera takes these.
_UNSEEN = re.compile(
    r"\b(?:itch\w*|prurit\w*|pain\w*|tender\w*|burning|sting\w*|feel\w*|felt|palpa\w*|touch\w*|firm\w*|hard|soft\w*|"
    r"rough\w*|gritty|sandpaper|warm\w*|smell\w*|odou?r|fever|history|biops\w*|treat\w*|therap\w*|respond\w*|"
    r"histolog\w* (?:showed|confirmed)|diagnos\w*|year\w*|month\w*|week\w*|day\w*|hour\w*|since|ago|recurr\w*|"
    r"patient\w*|m[ae]n|wom[ae]n|boy|girl|child|male|female|mother|father|family|grow(?:s|n|ing)?|grew|chang\w*|bleed\w*|"
    r"asymptomatic|palp\w*|press\w*|stretch\w*|squeez\w*|scrap\w*|nikolsky|auspitz)\b",
    re.IGNORECASE,
)
SIZE = re.compile(
    r"\b\d+(?:[.,]\d+)?\s?(?:mm|cm|millimet\w*|centimet\w*|inch\w*|µm)\b|\b(?:milli|centi)met(?:re|er)s?\b|"
    r"\binch(?:es)?\b|[×x]\s?\d{2,4}\b",
    re.IGNORECASE,
)


def sentences_of(caption: str) -> list[str]:
    """The sentences, with their full stops.

    >>> sentences_of("Psoriasis. A red plaque; scale on top.")
    ['Psoriasis.', 'A red plaque;', 'scale on top.']
    """
    return [part.strip() for part in _END.split(caption.strip()) if part.strip()]


def is_of_this_picture(sentence: str) -> bool:
    """Whether a sentence speaks of one picture and not of a disease in general.

    >>> is_of_this_picture("A red plaque."), is_of_this_picture("The plaques are often scaly.")
    (True, False)
    """
    return not _GENERAL.search(sentence)


def is_of_what_is_seen(sentence: str) -> bool:
    """Whether nothing in a sentence is beyond what a picture shows: symptoms, touch, time, people, sizes.

    >>> is_of_what_is_seen("A red plaque."), is_of_what_is_seen("An itchy plaque of 3 cm.")
    (True, False)
    """
    return not (_UNSEEN.search(sentence) or SIZE.search(sentence))
