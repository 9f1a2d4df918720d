"""The answers for photographs with patients' words: by image, by words, by both, and what the words were read as.

Letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache as once
from functools import lru_cache
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
from zsderm.narratives.word_answers import WordAnswers
from zsderm.predictions import Evidence, Predictions
from zsderm.wording import agrees, counted


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
    told = [story or "" for story in narratives]
    read = _ReadStories.of(told, predictions.classes, knowledge, cache, model, trained)
    return _joined(predictions, told, read, knowledge, weight, trained)


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
    check_narratives(narratives, found.photographs.images, weight)
    told = [story or "" for story in narratives]
    read = _ReadStories.of(told, found.photographs.classes, knowledge, cache, model, trained)
    photographs = _joined(found.photographs, told, read, knowledge, weight, trained)
    answers = _joined(found.answers, found.members.shared(told), read, knowledge, weight, trained)
    return replace(found, photographs=photographs, answers=answers)


@dataclass(frozen=True, eq=False)
class _ReadStories:
    """Stories as they were read, each once however many photographs and groups it is told of.

    Attributes:
        masked: story -> the same without names of diseases.
        notes: story -> what is special about how it is read, see `reading`.
        agreements: story -> how it agrees with the classes; of those that can be read, and with a base alone.
        model: fingerprint of the sentence model; None where it read nothing.
    """

    masked: Mapping[str, Masked]
    notes: Mapping[str, str]
    agreements: Mapping[str, Agreement]
    model: str | None

    @classmethod
    def of(
        cls,
        told: Sequence[str],
        classes: tuple[str, ...],
        knowledge: KnowledgeBase | None,
        cache: str | Path | None,
        model: TextEncoder | None,
        trained: TrainedWords | None,
    ) -> _ReadStories:
        masks = knowledge if knowledge is not None or trained is None else _default_base()  # it never saw a name
        names, known = _names(masks, classes), _known_words(masks)
        read = {story: masked(story, names) for story in dict.fromkeys(("", *told))}
        found = cls(read, {story: reading.note_on(one.text, known) for story, one in read.items()}, {}, None)
        used = [story for story in read if found.text_of(story) is not None]
        if not used or knowledge is None:
            return found
        model = model or _bundled()
        spoken = ReportedClasses.read(model, knowledge, classes, cache)
        agreements = dict(zip(used, spoken.agreement([read[story].text for story in used]), strict=True))
        return replace(found, agreements=agreements, model=model.fingerprint)

    def text_of(self, story: str) -> str | None:
        """A story without names of diseases; None where it tells nothing that can be read."""
        return None if self.notes[story] in (reading.NOTHING, reading.FOREIGN) else self.masked[story].text


def _joined(
    predictions: Predictions,
    told: Sequence[str],
    read: _ReadStories,
    knowledge: KnowledgeBase | None,
    weight: float | None,
    trained: TrainedWords | None,
) -> Predictions:
    """See `with_words`; of N stories that were read, empty where none is known."""
    weight = weight_of(weight, modelled=trained is not None)
    by_image, sets = predictions.probabilities, predictions.sets
    agreements = [read.agreements.get(story) for story in told]
    if trained is None:
        by_words = _table(agreements, len(predictions.classes))
    else:
        by_words = trained.by_words([read.text_of(story) for story in told], by_image, sets)
    both = by_both(by_image, by_words, weight)
    answers = WordAnswers(
        classes=predictions.classes,
        by_image=by_image,
        by_words=by_words,
        stories=tuple(read.masked[story].text for story in told),
        masked=tuple(read.masked[story].what for story in told),
        matched=_matched(agreements, both, by_words),
        notes=tuple(_note(story, read.notes[story], read.masked[story]) for story in told),
    )
    own, others = _beside(predictions, both)
    about: dict[str, Any] = {
        "told": sum(map(bool, told)),
        "read": int(answers.told.sum()),
        "words_weight": weight,
        "doubt": DOUBT,
        "sentence_model": read.model,
        "reported": None if knowledge is None else knowledge.reported_checksum,
    }
    if trained is not None:
        about["words_model"] = trained.facts(sets is not None)
    remarks = _remarks(told, answers, knowledge, None if trained is None else trained.remarks(sets is not None))
    notes = [*predictions.manifest.get("notes", ()), *remarks]
    return replace(
        predictions,
        probabilities=both,
        evidence=own,
        runner_up_evidence=others,
        words=answers,
        manifest={**predictions.manifest, "narratives": about, "notes": notes},
    )


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
        have, are = agrees(silent, "has", "have"), agrees(silent, "is", "are")
        remarks.append(f"{silent} of {len(told)} {have} no narrative, and {are} answered by image alone.")
    if foreign := sum(reading.FOREIGN in note for note in answers.notes):
        were = agrees(foreign, "was", "were")
        remarks.append(f"{foreign} of {counted(count, 'narrative')} {were} left out: few of their words are English.")
    if of_model is not None:
        return [*remarks, *of_model]
    reported = {} if knowledge is None else knowledge.reports_for(answers.classes)
    if unreported := [name for name, reports in reported.items() if not reports]:
        remarks.append(f"The knowledge base has nothing that patients report for: {', '.join(unreported)}.")
    return remarks
