"""What patients' words made of the answers for photographs, for tables, JSON and reports.

Letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch

from zsderm.narratives.agreement import Match


@dataclass(frozen=True)
class Told:
    """What was told of one image.

    Attributes:
        story: as it was read, without names of diseases.
        masked, matched, note: see `WordAnswers`.
        by_image, by_words: the answers by each alone, with their probabilities; an empty label where there is none.
    """

    story: str
    masked: tuple[str, ...]
    matched: tuple[Match, ...]
    note: str
    by_image: tuple[str, float]
    by_words: tuple[str, float]


@dataclass(frozen=True, eq=False)
class WordAnswers:
    """What the words made of N answers.

    Attributes:
        classes: C names.
        by_image: (N, C) float32 probabilities by the photograph alone; NaN for a failed image.
        by_words: (N, C) float32 probabilities by the story alone; NaN where nothing was told that can be read. Of a
            trained model those beside the options that it got.
        stories: N stories as they were read, without names of diseases.
        masked: N tuples, the names that were taken out.
        matched: N tuples, the sentences of the base that a story is like: of the class that is the answer by both, then
            of the one by words, where that is another.
        notes: N texts on how a story was read, `reading.FOREIGN` or the like; empty where nothing is special.
    """

    classes: tuple[str, ...]
    by_image: torch.Tensor
    by_words: torch.Tensor
    stories: tuple[str, ...]
    masked: tuple[tuple[str, ...], ...]
    matched: tuple[tuple[Match, ...], ...]
    notes: tuple[str, ...]

    @property
    def told(self) -> torch.Tensor:
        """(N,) bool: where words had a say."""
        return ~self.by_words.isnan().any(dim=1)

    @cached_property
    def by_image_alone(self) -> list[tuple[str, float]]:
        """For each image the answer by the photograph alone; an empty label for a failed image."""
        return _best(self.by_image, self.classes)

    @cached_property
    def by_words_alone(self) -> list[tuple[str, float]]:
        """For each image the answer by the story alone; an empty label where nothing was told."""
        return _best(self.by_words, self.classes)

    def of(self, index: int) -> Told | None:
        """What was told of one image; None where nothing was."""
        if not (self.stories[index] or self.notes[index]):
            return None
        return Told(
            story=self.stories[index],
            masked=self.masked[index],
            matched=self.matched[index],
            note=self.notes[index],
            by_image=self.by_image_alone[index],
            by_words=self.by_words_alone[index],
        )

    def columns(self) -> dict[str, list[Any]]:
        """What a table says of the words, in N cells each; label and probability of a table are those by both."""
        answers = {"image": self.by_image_alone, "words": self.by_words_alone}
        cells: dict[str, list[Any]] = {}
        for source, best in answers.items():
            cells[f"label_by_{source}"] = [label for label, _ in best]
            cells[f"probability_by_{source}"] = [share for _, share in best]
        cells["matched"] = ["; ".join(f"{one.disease}: {one.sentence}" for one in matches) for matches in self.matched]
        cells["masked"] = ["; ".join(names) for names in self.masked]
        cells["narrative_note"] = list(self.notes)
        return cells

    def nested(self) -> list[dict[str, Any]]:
        """N mappings for JSON: the story as it was read, the matches with their fields, and both probabilities."""
        return [
            {
                "read": story,
                "matched": [asdict(match) for match in matches],
                "by_image": _shares(self.classes, image),
                "by_words": _shares(self.classes, words),
            }
            for story, matches, image, words in zip(
                self.stories, self.matched, self.by_image, self.by_words, strict=True
            )
        ]


def _best(table: torch.Tensor, classes: Sequence[str]) -> list[tuple[str, float]]:
    """The most probable class of each row, the first of equal ones; an empty label for a row of NaN."""
    values, places = table.sort(dim=1, descending=True, stable=True)
    ok = ~table.isnan().any(dim=1)
    rows = zip(places[:, 0].tolist(), values[:, 0].tolist(), ok.tolist(), strict=True)
    return [(classes[place], share) if known else ("", float("nan")) for place, share, known in rows]


def _shares(classes: Sequence[str], row: torch.Tensor) -> dict[str, float] | None:
    return None if row.isnan().any() else dict(zip(classes, row.tolist(), strict=True))
