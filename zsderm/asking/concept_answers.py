"""Answers yes and no to questions about the presence of a visual concept, without a language model.

A question is answered only if it consists of the name of one concept and of words that ask for its presence: "Is there
scale?", "Does the photograph show an ulcer?". A question with further words ("a large ulcer", "without scale") gets "no
answer".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zsderm.asking.asking import NO_SOURCE, Answered
from zsderm.asking.phrasing import NO_ANSWER
from zsderm.asking.questions import CLOSED, Question
from zsderm.knowledge.names import words
from zsderm.modalities import DERMOSCOPIC, PATHOLOGICAL
from zsderm.tasks.concepts import Concept, ConceptVocabulary, annotate

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

VOCABULARIES = ("skincon", "derm7pt")
# Words that ask whether something is there, or where one looks; folded as `words` does.
_ASKING = frozenset(
    words(
        "is are was were does do did has have can could there any some a an the this that these those it be been being "
        "image images photograph photo picture dermoscopy dermoscopic clinical of in on at to with and skin lesion "
        "lesions area patient one you we show shows shown showing display displays displayed exhibit exhibits feature "
        "features depict depicts contain contains reveal reveals demonstrate demonstrates present visible evident seen "
        "see observe observed apparent presence evidence sign signs finding findings"
    )
)


class ConceptQuestions:
    """Finds the concept about whose presence a question asks.

    Args:
        vocabulary: the concepts, with the phrases that say them.
    """

    def __init__(self, vocabulary: ConceptVocabulary) -> None:
        self.vocabulary = vocabulary
        phrases: dict[tuple[str, ...], set[str]] = {}
        for concept in vocabulary.concepts:
            for phrase in _phrases(concept):
                phrases.setdefault(phrase, set()).add(concept.name)
        # A phrase of two concepts says neither.
        self._phrases = {phrase: next(iter(names)) for phrase, names in phrases.items() if len(names) == 1}

    def concept(self, text: str) -> str:
        """The concept about whose presence a question asks; empty if the question asks about anything else."""
        asked = words(text)
        for length in range(len(asked), 0, -1):  # the longest first: "blue-white veil" is no veil
            for start in range(len(asked) - length + 1):
                found = self._phrases.get(tuple(asked[start : start + length]))
                if found:
                    rest = {*asked[:start], *asked[start + length :]}
                    return found if rest <= _ASKING else ""
        return ""


def answered_by_concepts(
    questions: Sequence[Question],
    encoder: Encoder,
    sources: Mapping[str, str | Path] | None = None,
    *,
    threshold: float = 0.0,
    batch_size: int = 64,
    cache: str | Path | None = None,
    progress: bool = False,
) -> list[Answered]:
    """Answer questions with the scores of visual concepts: "yes" above the threshold, else "no".

    For dermoscopic photographs the dermoscopic vocabulary is searched first. Questions about tissue sections, open
    questions and multiple-choice questions get "no answer".

    Args:
        questions: N of them.
        encoder: scores the concepts.
        sources: the file of each name of an image; None where names are paths.
        threshold: log-odds above which the answer is yes. At 0 the sentences with and without the concept fit equally
            well; the value was not fitted to any data.
        batch_size: images encoded at once.
        cache: folder for image features; None saves none.
        progress: show a bar on stderr.

    Returns:
        N rows; the prediction is "yes", "no" or "no answer".
    """
    lists = {name: ConceptQuestions(ConceptVocabulary.load(name)) for name in VOCABULARIES}
    asked = [_asked(question, lists) for question in questions]
    pairs = list(zip(questions, asked, strict=True))
    rows: dict[int, Answered] = {}
    for name, vocabulary in lists.items():
        places = [place for place, (own, _) in enumerate(asked) if own == name]
        paths = {image: _source(image, sources) for image in dict.fromkeys(questions[p].image for p in places)}
        known = {image: path for image, path in paths.items() if path is not None}
        if not known:
            continue
        wanted = {asked[place][1] for place in places}
        kept = tuple(concept for concept in vocabulary.vocabulary.concepts if concept.name in wanted)
        scores = annotate(
            encoder,
            replace(vocabulary.vocabulary, concepts=kept),  # a score does not hang on the other concepts
            list(known.values()),
            names=list(known),
            batch_size=batch_size,
            cache=cache,
            progress=progress,
        )
        row_of = {image: row for row, image in enumerate(scores.images)}
        for place in places:
            question, column = questions[place], scores.concepts.index(asked[place][1])
            if question.image not in known:
                continue
            value = scores.scores[row_of[question.image], column]
            reason = scores.errors.get(question.image, "")
            answer = "" if np.isnan(value) else "yes" if value > threshold else "no"
            rows[place] = Answered(question, answer, reason)
    unanswered = [Answered(q, reason=NO_SOURCE) if own else Answered(q, NO_ANSWER) for q, (own, _) in pairs]
    return [rows.get(place) or row for place, row in enumerate(unanswered)]


def _asked(question: Question, lists: Mapping[str, ConceptQuestions]) -> tuple[str, str]:
    """The vocabulary and the concept of a question; empty for both where there is none."""
    if question.form != CLOSED or question.modality == PATHOLOGICAL:
        return "", ""
    order = reversed(VOCABULARIES) if question.modality == DERMOSCOPIC else VOCABULARIES
    for name in order:
        if concept := lists[name].concept(question.text):
            return name, concept
    return "", ""


def _source(image: str, sources: Mapping[str, str | Path] | None) -> str | Path | None:
    return image if sources is None else sources.get(image)


def _phrases(concept: Concept) -> set[tuple[str, ...]]:
    """The folded words of each name and phrase of a concept: "brown(hyperpigmentation)" has two names."""
    names = [part for part in re.split(r"[()/]", concept.name) if part.strip()]
    folded = (tuple(words(re.sub(r"^(an?|the)\s", "", name.strip()))) for name in (*names, *concept.terms))
    return {phrase for phrase in folded if phrase and not set(phrase) <= _ASKING}
