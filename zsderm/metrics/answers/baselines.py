"""Baseline answers: the most frequent answer, an answer from the question alone, and the caption of another picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from zsderm.metrics.answers.normal_form import words_of
from zsderm.metrics.answers.replies import NO, YES
from zsderm.metrics.answers.table import CHOICE, CLOSED, AnsweredQuestion
from zsderm.metrics.answers.text_only import TextOnlyModel, cross_fitted, folds_of

# Words of questions that say nothing of what is asked for.
_EMPTY = frozenset(
    (
        *("is", "are", "was", "were", "does", "do", "did", "has", "have", "this", "that", "there", "these", "those"),
        *("it", "can", "be", "seen", "shown", "show", "shows", "here", "any", "in", "on", "of", "at", "to", "with"),
        *("and", "or", "image", "picture", "photograph", "photo", "lesion", "skin", "which", "what", "how", "where"),
        *("kind", "diagnosis"),
    )
)


def by_majority(
    questions: Sequence[AnsweredQuestion], train: Sequence[AnsweredQuestion] = ()
) -> list[AnsweredQuestion]:
    """Answer every question with the most frequent answer to other questions of the same kind and form.

    Args:
        questions: to be answered.
        train: questions whose answers are counted; without them, the questions about other images, in five folds.

    Returns:
        The questions with new predictions. A multiple-choice question gets the option that is right
        most often, the first one in a tie.
    """
    if train:
        return _most_frequent(questions, train)
    found: dict[int, AnsweredQuestion] = {}
    for places, others in folds_of(questions):
        found |= dict(zip(places, _most_frequent([questions[place] for place in places], others), strict=True))
    return [found[place] for place in range(len(questions))]


def _most_frequent(questions: Sequence[AnsweredQuestion], train: Sequence[AnsweredQuestion]) -> list[AnsweredQuestion]:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for one in train:
        for key in ((one.kind, one.form), ("", one.form)):
            counts.setdefault(key, Counter())[one.answer] += 1
    found = []
    for question in questions:
        said = counts.get((question.kind, question.form)) or counts.get(("", question.form)) or Counter()
        offered = question.options if question.form == CHOICE else sorted(said)
        best = max(offered, key=said.__getitem__, default="")
        found.append(replace(question, prediction=best))
    return found


def by_text(questions: Sequence[AnsweredQuestion], train: Sequence[AnsweredQuestion] = ()) -> list[AnsweredQuestion]:
    """Answer from the text of the questions alone, see `zsderm.metrics.answers.text_only`.

    Args:
        questions: to be answered.
        train: questions to learn from; without them, the questions about other images, in five folds.

    Raises:
        InputError: there is nothing to learn from.
    """
    guesses = TextOnlyModel(train).answer(questions) if train else cross_fitted(questions)
    return [replace(q, prediction=guess.answer) for q, guess in zip(questions, guesses, strict=True)]


def by_caption(questions: Sequence[AnsweredQuestion], captions: Sequence[str]) -> list[AnsweredQuestion]:
    """Answer with the caption of another picture, such as the most similar one.

    Args:
        questions: N, to be answered.
        captions: N, one for each.

    Returns:
        The questions with new predictions. An open question gets the caption. A closed question gets yes if the caption
        contains all content words of the question, else no. A multiple-choice question gets the option with the
        largest share of its words in the caption, the first one in a tie.
    """
    return [replace(q, prediction=_told(q, caption)) for q, caption in zip(questions, captions, strict=True)]


def _told(question: AnsweredQuestion, caption: str) -> str:
    said = set(words_of(caption))
    if question.form == CLOSED:
        asked = set(words_of(question.question)) - _EMPTY
        return YES if asked and asked <= said else NO
    if question.form == CHOICE:
        return max(question.options, key=lambda option: _share(words_of(option), said))
    return caption


def _share(words: Sequence[str], said: set[str]) -> float:
    return sum(word in said for word in words) / len(words) if words else 0.0
