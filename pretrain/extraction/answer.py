"""What an engine takes out of a caption, and what was refused on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

NO_DISEASE = "no definitive diagnosis"


@dataclass(frozen=True)
class Rejection:
    """One thing that was not taken, or not taken as it stood."""

    kind: str  # "disease", "concept", "sub-caption", "spelling", "reply" or "caption"
    term: str
    reason: str  # the same words for the same rule
    detail: str = ""  # what of the caption or the reply it is about


@dataclass(frozen=True)
class Answer:
    """What a caption says.

    Attributes:
        disease: canonical name of the knowledge base; empty where there is no definitive diagnosis.
        concepts: canonical names of visual concepts, in the order of the vocabulary.
        sub_captions: at most eight pieces of the caption.
        rejected: what was refused.
    """

    disease: str = ""
    concepts: tuple[str, ...] = ()
    sub_captions: tuple[str, ...] = ()
    rejected: tuple[Rejection, ...] = ()


class Engine(Protocol):
    """Takes captions apart; several threads may call it at once."""

    def extract(self, caption: str) -> Answer:
        """What one caption says.

        Raises:
            InputError: the caption cannot be taken apart now, but another attempt may do.
        """
        ...
