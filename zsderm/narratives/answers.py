"""The answers for photographs with patients' words: by image, by words, by both, and what the words were read as.

Letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache as once
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.encoders.sentence_model import SentenceModel, TextEncoder
from zsderm.groups import GroupPredictions
from zsderm.knowledge.base import KnowledgeBase
from zsderm.narratives import reading
from zsderm.narratives.agreement import Agreement, Match, ReportedClasses
from zsderm.narratives.fusion import DOUBT, by_both
from zsderm.narratives.given import check_narratives, weight_of
from zsderm.narratives.masking import Masked, masked
from zsderm.narratives.names import NameKeys
from zsderm.narratives.trained_words import TrainedWords
from zsderm.predictions import Evidence, Predictions


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


def with_words(
    predictions: Predictions,
    narratives: Sequence[str | None],
    knowledge: KnowledgeBase | None,
    weight: float | None = None,
    *,
    cache: str | Path | None = None,
    model: TextEncoder | None = None,
    trained: TrainedWords | None = None,
) -> Predictions:
    """The answers for photographs, with what patients tell.

    Probabilities and labels become those by both; ``words`` holds the others. An image without a story keeps its row to
    the last bit. Descriptions stand beside an answer only where the photograph chose some for it: those of the
    photograph's first and second class. Prediction sets, abstention and familiarity stay those of the photograph.

    Args:
        predictions: by photographs, calibrated or not.
        narratives: N stories, None or empty where none is known; any text at all.
        knowledge: the base that says what patients report; None reads nothing, unless a trained model does.
        weight: of the words, 0 to `given.HEAVIEST`; None for `given.WEIGHT`, or `TRAINED_WEIGHT` of a trained model.
        cache: folder that keeps the embeddings of the base's sentences. Those of stories are not kept.
        model: embeds sentences; None for the bundled one.
        trained: a model of stories, which then says how well they agree with the classes; sentences that a story is
            like are still those of the base. None: no such model.

    Raises:
        InputError, SettingsError: see `check_narratives`.
    """
    check_narratives(narratives, predictions.images, weight)
    weight = weight_of(weight, modelled=trained is not None)
    masks = knowledge if knowledge is not None or trained is None else _default_base()  # it never saw a name
    names = _names(masks, predictions.classes)
    read = {story: masked(story, names) for story in dict.fromkeys(story or "" for story in narratives)}
    known = _known_words(masks)
    notes = {story: reading.note_on(found.text, known) for story, found in read.items()}
    used = [story for story, note in notes.items() if note not in (reading.NOTHING, reading.FOREIGN)]
    agreements: dict[str, Agreement] = {}
    if used and knowledge is not None:
        spoken = ReportedClasses.read(model or _bundled(), knowledge, predictions.classes, cache)
        agreements = dict(zip(used, spoken.agreement([read[story].text for story in used]), strict=True))
    told = [story or "" for story in narratives]
    by_image, sets = predictions.probabilities, predictions.sets
    if trained is None:
        by_words = _table([agreements.get(story) for story in told], len(predictions.classes))
    else:
        kept = set(used)
        asked = [read[story].text if story in kept else None for story in told]
        by_words = trained.by_words(asked, by_image, sets)
    both = by_both(by_image, by_words, weight)
    answers = WordAnswers(
        classes=predictions.classes,
        by_image=by_image,
        by_words=by_words,
        stories=tuple(read[story].text for story in told),
        masked=tuple(read[story].what for story in told),
        matched=_matched([agreements.get(story) for story in told], both, by_words),
        notes=tuple(_note(story, notes[story], read[story]) for story in told),
    )
    own, others = _beside(predictions, both)
    about: dict[str, Any] = {
        "told": sum(map(bool, told)),
        "read": int(answers.told.sum()),
        "words_weight": weight,
        "doubt": DOUBT,
        "sentence_model": None if not agreements else (model or _bundled()).fingerprint,
        "reported": None if knowledge is None else knowledge.reported_checksum,
    }
    if trained is not None:
        about["words_model"] = trained.facts(sets is not None)
    manifest = {**predictions.manifest, "narratives": about}
    remarks = _remarks(told, answers, knowledge, None if trained is None else trained.remarks(sets is not None))
    manifest["notes"] = [*manifest.get("notes", ()), *remarks]
    return replace(
        predictions,
        probabilities=both,
        evidence=own,
        runner_up_evidence=others,
        words=answers,
        manifest=manifest,
    )


def groups_with_words(
    found: GroupPredictions,
    narratives: Sequence[str | None],
    knowledge: KnowledgeBase | None,
    weight: float | None = None,
    *,
    cache: str | Path | None = None,
    model: TextEncoder | None = None,
    trained: TrainedWords | None = None,
) -> GroupPredictions:
    """Photographs and their groups with what patients tell; a group has the story that all its photographs share.

    Args:
        found: by photographs.
        narratives: N stories, one for each photograph.
        knowledge: see `with_words`.
        weight: see `with_words`.
        cache: see `with_words`.
        model: see `with_words`.
        trained: see `with_words`. Groups have no prediction set, so their options are the first classes.
    """
    how: dict[str, Any] = {"cache": cache, "model": model, "trained": trained}
    photographs = with_words(found.photographs, narratives, knowledge, weight, **how)
    shared = found.members.shared([story or "" for story in narratives])
    answers = with_words(found.answers, shared, knowledge, weight, **how)
    return replace(found, photographs=photographs, answers=answers)


@lru_cache(maxsize=4)
def _names(knowledge: KnowledgeBase | None, classes: tuple[str, ...]) -> NameKeys:
    return NameKeys.of(knowledge, classes)


@once
def _bundled() -> SentenceModel:
    """The bundled sentence model, loaded once: it takes seconds."""
    return SentenceModel()


@once
def _default_base() -> KnowledgeBase:
    return KnowledgeBase.load(DEFAULT_KNOWLEDGE)


@lru_cache(maxsize=4)
def _known_words(knowledge: KnowledgeBase | None) -> frozenset[str]:
    """The words by which English is told: of the base and of the bundled one, as a small base knows few."""
    if knowledge is None:
        return frozenset()
    bases = (knowledge, _default_base())
    reports = (report.text for base in bases for reports in base.reported.values() for report in reports)
    return reading.words_of((*reports, *(text.text for base in bases for text in base.descriptions)))


def _table(agreements: Sequence[Agreement | None], count: int) -> torch.Tensor:
    """(N, C) float32 probabilities by words; NaN where a story says nothing of the classes."""
    rows = np.full((len(agreements), count), np.nan)
    for row, one in enumerate(agreements):
        if one is not None and one.scores.any():
            rows[row] = one.scores
    return torch.from_numpy(rows).softmax(dim=1).float()


def _matched(
    agreements: Sequence[Agreement | None], both: torch.Tensor, by_words: torch.Tensor
) -> tuple[tuple[Match, ...], ...]:
    """For each image the matches of its answer by both, where it has one, and of that by words."""
    found = []
    for one, *rows in zip(agreements, both, by_words, strict=True):
        winners = dict.fromkeys(int(row.argmax()) for row in rows if not row.isnan().any())
        found.append(() if one is None else tuple(match for winner in winners for match in one.matches[winner]))
    return tuple(found)


def _beside(
    predictions: Predictions, both: torch.Tensor
) -> tuple[tuple[tuple[Evidence, ...], ...], tuple[tuple[Evidence, ...], ...]]:
    """The descriptions beside the first and the second class by both, where the photograph chose some for them."""
    ranked = replace(predictions, probabilities=both).top_k(2)
    before = predictions.top_k(2)
    kinds: list[list[tuple[Evidence, ...]]] = []
    for now, then, own, others in zip(
        ranked, before, predictions.evidence, predictions.runner_up_evidence, strict=True
    ):
        chosen: Mapping[str, tuple[Evidence, ...]] = dict(zip((name for name, _ in then), (own, others), strict=False))
        kinds.append([chosen.get(name, ()) for name, _ in now] + [()] * (2 - len(now)))
    return tuple(kind[0] for kind in kinds), tuple(kind[1] for kind in kinds)


def _note(story: str, note: str, read: Masked) -> str:
    """What is special about one story; empty where none was given."""
    if not story:
        return ""
    return "; ".join(filter(None, (note, "only its beginning was read" if read.shortened else "")))


def _remarks(
    told: Sequence[str], answers: WordAnswers, knowledge: KnowledgeBase | None, of_model: Iterable[str] | None
) -> list[str]:
    """What a reader of all answers should know."""
    count = sum(map(bool, told))
    if not count:
        return ["No narrative belongs to any of the images, so all answers are by image alone."]
    if knowledge is None and of_model is None:
        return ["Without a knowledge base narratives cannot be read, so all answers are by image alone."]
    remarks = []
    if silent := len(told) - count:
        have, are = ("has", "is") if silent == 1 else ("have", "are")
        remarks.append(f"{silent} of {len(told)} {have} no narrative, and {are} answered by image alone.")
    if foreign := sum(reading.FOREIGN in note for note in answers.notes):
        were = "was" if foreign == 1 else "were"
        remarks.append(f"{foreign} of {count} narratives {were} left out: few of their words are English.")
    if of_model is not None:
        return [*remarks, *of_model]
    reported = {} if knowledge is None else knowledge.reports_for(answers.classes)
    if unreported := [name for name, reports in reported.items() if not reports]:
        remarks.append(f"The knowledge base has nothing that patients report for: {', '.join(unreported)}.")
    return remarks


def _best(table: torch.Tensor, classes: Sequence[str]) -> list[tuple[str, float]]:
    """The most probable class of each row, the first of equal ones; an empty label for a row of NaN."""
    values, places = table.sort(dim=1, descending=True, stable=True)
    ok = ~table.isnan().any(dim=1)
    rows = zip(places[:, 0].tolist(), values[:, 0].tolist(), ok.tolist(), strict=True)
    return [(classes[place], share) if known else ("", float("nan")) for place, share, known in rows]


def _shares(classes: Sequence[str], row: torch.Tensor) -> dict[str, float] | None:
    return None if row.isnan().any() else dict(zip(classes, row.tolist(), strict=True))
