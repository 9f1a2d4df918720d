"""Many questions to one model: every answer is kept when it comes, and a question that has one is not asked again."""

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
    """A model that is shown pictures and asked in words."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def identity(self) -> str:
        """Under which its answers are kept."""

    @property
    def at_a_time(self) -> int:
        """How many questions to bring at a time."""

    @property
    def sampling(self) -> Sampling:
        """How its answers are drawn."""

    def replies(self, asked: Sequence[tuple[Image | None, str]]) -> Iterator[tuple[int, str | InputError]]:
        """Each reply, or an error in its place, with the place of its question, in any order."""

    def facts(self) -> Mapping[str, object]:
        """What a manifest says of it."""


@dataclass(frozen=True)
class Answered:
    """A question with what was answered, or the reason why nothing was."""

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
    """Put every question to a model.

    What fails for one question (a photograph that cannot be read, a request that is refused) is a row with a reason,
    and asked again the next time.

    Args:
        questions: N of them.
        model: is asked.
        answers: the folder that keeps answers, by picture, words and settings; it holds no photographs.
        sources: the file of each name of an image; None where names are paths.
        plain: see `phrased`.
        with_images: whether photographs are shown. Without them it shows which questions need none.
        longest_side: see `picture`.
        advance: called with how many more questions are done.

    Returns:
        N rows, in the order of the questions.

    Raises:
        InputError: the model does not answer `PATIENCE` questions in a row; what was answered so far is kept.
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
    """The table of answers.

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
