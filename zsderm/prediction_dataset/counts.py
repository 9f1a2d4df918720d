"""What is counted of answers: of as many as there are, and part by part where they are never in memory together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from zsderm.file_names import printable
from zsderm.predictions import Predictions
from zsderm.stored_json import fields_of
from zsderm.wording import agrees, counted

REASONS = 8  # failed images that are named, of any number

LEARNED_FROM = "calibration_learned_from"  # of a manifest, see `zsderm.calibration.apply_calibration`


@dataclass(frozen=True)
class AnswerCounts:
    """How many answers there are, and of which kind.

    Attributes:
        images: how many there are.
        failed: how many of them could not be answered.
        labels: class -> how many have it as their answer.
        abstained: how many of those answered may be none of the classes; None where that was not asked.
        below_minimum: how many are less probable than asked for; None where that was not asked.
        learned_from: from how many of the images the calibration was learned; None where that is not known.
        reasons: the first images that failed -> why, `REASONS` of them at most.
    """

    images: int = 0
    failed: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    abstained: int | None = None
    below_minimum: int | None = None
    learned_from: int | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, predictions: Predictions) -> AnswerCounts:
        """Of answers in memory."""
        ok = predictions.ok
        errors = ((printable(name), reason) for name, reason in predictions.errors.items())
        return cls(
            images=len(predictions),
            failed=int((~ok).sum()),
            labels=dict(Counter(filter(None, predictions.labels))),
            abstained=None if predictions.abstained is None else int((predictions.abstained & ok).sum()),
            below_minimum=None if predictions.minimum is None else int(predictions.below_minimum.sum()),
            learned_from=predictions.manifest.get(LEARNED_FROM),
            reasons=dict(islice(errors, REASONS)),
        )

    @classmethod
    def from_dict(cls, stored: object) -> AnswerCounts:
        """What `to_dict` gave.

        Raises:
            ValueError: it is something else.
        """
        found = cls(**fields_of(cls, stored))
        numbers = [found.images, found.failed, *found.labels.values()]
        optional = [found.abstained, found.below_minimum, found.learned_from]
        if any(type(count) is not int or count < 0 for count in (*numbers, *(c for c in optional if c is not None))):
            raise ValueError("a count is no whole number from 0")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def __add__(self, other: AnswerCounts) -> AnswerCounts:
        """Of both parts together; what is not known of either is not known of both."""
        if not self.images or not other.images:
            return other if other.images else self
        reasons = {**other.reasons, **self.reasons}
        order = [*self.reasons, *(name for name in other.reasons if name not in self.reasons)]
        return AnswerCounts(
            self.images + other.images,
            self.failed + other.failed,
            dict(Counter(self.labels) + Counter(other.labels)),
            _sum(self.abstained, other.abstained),
            _sum(self.below_minimum, other.below_minimum),
            _sum(self.learned_from, other.learned_from),
            {name: reasons[name] for name in order[:REASONS]},
        )


def minimum_note(count: int, minimum: float) -> str:
    """The note that says how many answers are less probable than asked for."""
    several = f"{counted(count, 'answer')} {agrees(count, 'is', 'are')}"
    return f"{several} less probable than {minimum:g}: see the column below_minimum."


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
