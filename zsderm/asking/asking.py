"""Many questions to one model: every answer is saved at once, and a question that has an answer is not asked again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd
from PIL.Image import Image

from zsderm.asking.phrasing import phrased
from zsderm.asking.pictures import LONGEST_SIDE, digest, picture
from zsderm.asking.questions import Question
from zsderm.asking.sampling import Sampling
from zsderm.errors import AnswerError, ImageError, InputError
from zsderm.file_names import printable
from zsderm.language_model import Answers

PATIENCE = 5  # questions that fail one after the other before a model is taken to be gone
NO_SOURCE = "no image, or more than one image, has this name"
SETTINGS = 1  # raise it where the same request means another answer


class Answerer(Protocol):
    """A model that receives a picture and a question, and answers in words."""

    @property
    def name(self) -> str:
        """The name of the model in tables."""

    @property
    def identity(self) -> str:
        """A text that identifies the model; its answers are stored under it."""

    @property
    def at_a_time(self) -> int:
        """The number of questions to pass in one call of `replies`."""

    @property
    def sampling(self) -> Sampling:
        """The decoding settings."""

    def replies(self, asked: Sequence[tuple[Image | None, str]]) -> Iterator[tuple[int, str | InputError]]:
        """Pairs of a question's index and its reply, or an error instead of the reply, in any order."""

    def facts(self) -> Mapping[str, object]:
        """The description of the model for a manifest."""


@dataclass(frozen=True)
class Answered:
    """A question with its answer, or with the reason why it has none."""

    question: Question
    prediction: str = ""
    reason: str = ""
    unread: bool = False  # whether the reason is the photograph


def ask_all(
    questions: Sequence[Question],
    model: Answerer,
    answers: Path,
    sources: Mapping[str, str | Path] | None = None,
    *,
    plain: bool = False,
    with_images: bool = True,
    longest_side: int = LONGEST_SIDE,
    advance: Callable[[int], None] = lambda done: None,
) -> list[Answered]:
    """Ask a model all questions.

    If one question fails (a photograph cannot be read, a request is refused), its row has a reason instead of an
    answer, and the question is asked again in the next run.

    Args:
        questions: N of them.
        model: answers the questions.
        answers: the folder in which answers are saved, keyed by model, pixels, text and settings. It contains no
            photographs.
        sources: the file of each name of an image; None where names are paths.
        plain: see `phrased`.
        with_images: whether the model sees the photographs. Without them, the answers show which questions need none.
        longest_side: see `picture`.
        advance: called with the number of questions that were finished since the last call.

    Returns:
        N rows, in the order of the questions.

    Raises:
        InputError: the model did not answer `PATIENCE` questions in a row; earlier answers are saved.
    """
    kept = Answers(answers, model.identity)
    rows: list[Answered] = []
    failed = 0
    for start in range(0, len(questions), model.at_a_time):
        part = questions[start : start + model.at_a_time]
        own = [_Asked.of(question, sources, plain, with_images, longest_side, model.sampling) for question in part]
        found: dict[str, str | InputError] = {}
        missing: defaultdict[str, list[int]] = defaultdict(list)
        for place, asked in enumerate(own):
            if asked.reason or asked.key in found or asked.key in missing:
                continue
            answer = kept.kept("", asked.key)
            if answer is None:
                missing[asked.key].append(place)
            else:
                found[asked.key] = answer
        keys = list(missing)
        pairs = [(own[missing[key][0]].image, own[missing[key][0]].text) for key in keys]
        for place, reply in model.replies(pairs) if pairs else ():
            found[keys[place]] = reply
            if isinstance(reply, str):
                kept.keep("", keys[place], reply)
            failed = failed + 1 if isinstance(reply, InputError) and not isinstance(reply, AnswerError) else 0
            if failed >= PATIENCE:
                raise reply if isinstance(reply, InputError) else AssertionError(reply)
        rows += [asked.answered(found) for asked in own]
        advance(len(part))
    return rows


def answers_frame(rows: Sequence[Answered]) -> pd.DataFrame:
    """The answers as a table with one row for each question.

    Its columns: id, image, question, answer (where the questions have one), prediction, kind, form, modality, options
    and, for a row without a prediction, reason.
    """
    columns: dict[str, list[str]] = {
        "id": [row.question.id for row in rows],
        "image": [printable(row.question.image) for row in rows],
        "question": [row.question.text for row in rows],
        "answer": [row.question.answer or "" for row in rows],
        "prediction": [row.prediction for row in rows],
        "kind": [row.question.kind for row in rows],
        "form": [row.question.form for row in rows],
        "modality": [row.question.modality for row in rows],
        "options": [_cell(row.question.options) for row in rows],
        "reason": [row.reason for row in rows],
    }
    if all(row.question.answer is None for row in rows):
        del columns["answer"]
    return pd.DataFrame(columns)


def _cell(options: Sequence[str]) -> str:
    """Options as they are read back: with "; " between them, or as a JSON list where one holds such a sign."""
    return json.dumps(options, ensure_ascii=False) if any(set(o) & set(";|[") for o in options) else "; ".join(options)


@dataclass(frozen=True)
class _Asked:
    """A question as it is put, or the reason why it is not."""

    question: Question
    image: Image | None = None
    text: str = ""
    key: str = ""
    reason: str = ""

    @classmethod
    def of(
        cls,
        question: Question,
        sources: Mapping[str, str | Path] | None,
        plain: bool,
        with_images: bool,
        longest_side: int,
        sampling: Sampling,
    ) -> _Asked:
        image, text = None, phrased(question, plain)
        if with_images and question.image:
            source = question.image if sources is None else sources.get(question.image)
            try:
                if source is None:
                    raise ImageError(NO_SOURCE)
                image = picture(source, longest_side)
            except ImageError as error:
                return cls(question, reason=str(error))
        request = {"picture": digest(image), "text": text, "sampling": sampling.facts(), "settings": SETTINGS}
        return cls(question, image, text, json.dumps(request, ensure_ascii=False, sort_keys=True))

    def answered(self, found: Mapping[str, str | InputError]) -> Answered:
        if self.reason:
            return Answered(self.question, reason=self.reason, unread=True)
        reply = found[self.key]
        if isinstance(reply, str):
            return Answered(self.question, reply)
        return Answered(self.question, reason=str(reply).removesuffix("."))
