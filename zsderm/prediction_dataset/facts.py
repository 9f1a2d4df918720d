"""What is said of a data set of answers, and cannot change while it is made.

Letters: N images, n of a part.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from zsderm.long_tables import LAYOUTS
from zsderm.part_folders import PartFacts
from zsderm.prediction_dataset.counts import AnswerCounts
from zsderm.stored_json import checksum_of

PART_IMAGES = 32_768  # what a stopped run loses at most


@dataclass(frozen=True)
class AnswerFacts(PartFacts):
    """What is said of a data set of answers."""

    classes: list[str]
    images: int  # N
    part_images: int  # n
    layout: str  # "wide" or "long"
    top_k: int
    made_of: dict[str, Any]  # what decides about the answers, by name: embeddings, encoder, class texts, settings, ...
    begun: dict[str, Any]  # the run that began it

    @property
    def part_length(self) -> int:
        """See `zsderm.part_folders.PartFacts`."""
        return self.part_images

    @property
    def key(self) -> str:
        """Tells the parts of this data set from those of others."""
        return checksum_of({name: value for name, value in asdict(self).items() if name != "begun"})


def check_facts(facts: AnswerFacts, finished: object) -> None:
    """Refuse what no data set says of itself.

    Raises:
        ValueError: a number, a layout or a name that is none.
    """
    if not facts.classes or not all(isinstance(name, str) for name in facts.classes):
        raise ValueError("its classes are no names")
    if facts.images < 1 or facts.part_images < 1 or facts.layout not in LAYOUTS or facts.top_k < 1:
        raise ValueError("its number of images, layout or top-k is none")
    if not isinstance(facts.made_of, dict):
        raise ValueError("it does not say what its answers were made of")
    if finished is not None:
        if not isinstance(finished, dict) or not isinstance(finished.get("manifest"), dict):
            raise ValueError("it does not say how it was finished")
        AnswerCounts.from_dict(finished.get("counts"))
