"""A model that answers from the text of a question alone; questions that it answers do not need the picture.

It is deliberately simple:

- closed questions: logistic regression on the hashed words and pairs of words of the question;
- multiple-choice questions: logistic regression on the words of each option, alone and combined with the words of the
  question, for whether the option is right;
- open questions: a vote of the answers to the most similar questions (cosine of tf-idf vectors).

`cross_fitted` answers the questions of each fold of images with a model that was trained on the other folds.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zsderm.errors import InputError
from zsderm.metrics.answers.normal_form import same, words_of
from zsderm.metrics.answers.replies import NO, YES
from zsderm.metrics.answers.table import CHOICE, CLOSED, OPEN, AnsweredQuestion

FOLDS = 5
NEIGHBOURS = 25  # questions that vote on the answer to an open one
HASHES = 2**16
SURE = 0.75  # of a yes or a no, from which the words and not luck gave the answer
SURE_CHOICE = 2.0  # times the chance of an option


@dataclass(frozen=True)
class Guess:
    """An answer of the text-only model, with its probability."""

    answer: str
    probability: float

    def gives_away(self, question: AnsweredQuestion) -> bool:
        """Whether the text of a question gives its answer away: the guess is right, and unlikely to be right by chance.

        Chance answers half of the closed questions, so yes or no needs a probability of at least 0.75, and an option
        at least twice the probability of a random choice (at most 0.95). An open answer is not found by chance.
        """
        if not same(self.answer, question.answer):
            return False
        if question.form == CLOSED:
            return self.probability >= SURE
        if question.form == CHOICE:
            return self.probability >= min(0.95, SURE_CHOICE / max(1, len(question.options)))
        return True


class TextOnlyModel:
    """Answers from the text of a question.

    Args:
        questions: with their right answers.
    """

    def __init__(self, questions: Sequence[AnsweredQuestion]) -> None:
        self._closed = _YesOrNo([q for q in questions if q.form == CLOSED])
        self._choice = _Option([q for q in questions if q.form == CHOICE])
        self._open = _Vote([q for q in questions if q.form == OPEN] or list(questions))

    def answer(self, questions: Sequence[AnsweredQuestion]) -> list[Guess]:
        """A guess for each question; pictures, captions and right answers are not used."""
        models = {CLOSED: self._closed.answer, CHOICE: self._choice.answer, OPEN: self._open.answer}
        found: dict[int, Guess] = {}
        for form, model in models.items():
            places = [place for place, question in enumerate(questions) if question.form == form]
            found |= dict(zip(places, model([questions[place] for place in places]), strict=True))
        return [found[place] for place in range(len(questions))]


def cross_fitted(
    questions: Sequence[AnsweredQuestion], rng: np.random.Generator | None = None, folds: int = FOLDS
) -> list[Guess]:
    """A guess for each question by a model that was not trained on any question about the same image.

    Args:
        questions: with their right answers.
        rng: assigns the images to folds; by default seeded with 0.
        folds: number of folds; at most the number of images.

    Raises:
        InputError: all questions are about one image, so there are no others to learn from.
    """
    if len({question.image for question in questions}) < 2:
        raise InputError(
            "expected questions about at least two images, because the model without the picture learns from the "
            "questions about other images"
        )
    found: dict[int, Guess] = {}
    for own, others in folds_of(questions, rng, folds):
        model = TextOnlyModel(others)
        found |= dict(zip(own, model.answer([questions[place] for place in own]), strict=True))
    return [found[place] for place in range(len(questions))]


def folds_of(
    questions: Sequence[AnsweredQuestion], rng: np.random.Generator | None = None, folds: int = FOLDS
) -> Iterator[tuple[list[int], list[AnsweredQuestion]]]:
    """The places of the questions of each fold, with the questions of all other folds; no image is in two folds.

    Args:
        questions: to be divided.
        rng: assigns the images to folds; by default seeded with 0.
        folds: number of folds; at most the number of images.
    """
    images = sorted({question.image for question in questions})
    order = (rng or np.random.default_rng(0)).permutation(len(images))
    fold = {images[place]: number % folds for number, place in enumerate(order)}
    for number in range(min(folds, len(images))):
        own = [place for place, question in enumerate(questions) if fold[question.image] == number]
        yield own, [question for question in questions if fold[question.image] != number]


class _YesOrNo:
    def __init__(self, questions: Sequence[AnsweredQuestion]) -> None:
        self._fitted = _fit([_pairs(q.question) for q in questions], [q.answer == YES for q in questions])

    def answer(self, questions: Sequence[AnsweredQuestion]) -> list[Guess]:
        chances = _chances(self._fitted, [_pairs(q.question) for q in questions], 0.5)
        return [Guess(YES if yes >= 0.5 else NO, max(yes, 1 - yes)) for yes in chances]


class _Option:
    def __init__(self, questions: Sequence[AnsweredQuestion]) -> None:
        told = [(_beside(q.question, option), option == q.answer) for q in questions for option in q.options]
        self._fitted = _fit([words for words, _ in told], [right for _, right in told])

    def answer(self, questions: Sequence[AnsweredQuestion]) -> list[Guess]:
        return [self._one(question) for question in questions]

    def _one(self, question: AnsweredQuestion) -> Guess:
        chances = _chances(self._fitted, [_beside(question.question, option) for option in question.options], 0.5)
        odds = np.array([chance / (1 - chance) for chance in chances])
        best = int(odds.argmax())
        return Guess(question.options[best], float(odds[best] / odds.sum()))


class _Vote:
    def __init__(self, questions: Sequence[AnsweredQuestion]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._said: dict[str, str] = {}
        answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for one in questions:
            key = " ".join(words_of(one.answer))
            self._said.setdefault(key, one.answer)
            answers[one.question][key] += 1
        self._texts = sorted(answers)
        self._answers = answers
        self._vectors = TfidfVectorizer(analyzer=words_of)
        told = [words_of(text) for text in self._texts]
        self._rows = self._vectors.fit_transform(self._texts) if any(told) else None

    def answer(self, questions: Sequence[AnsweredQuestion]) -> list[Guess]:
        return [self._one(question) for question in questions]

    def _one(self, question: AnsweredQuestion) -> Guess:
        if self._rows is None:
            return Guess("", 0.0)
        near = (self._rows @ self._vectors.transform([question.question]).T).toarray()[:, 0]
        votes: defaultdict[str, float] = defaultdict(float)
        voters = 0
        for place in np.argsort(-near, kind="stable"):
            for key, count in self._answers[self._texts[place]].items():
                votes[key] += count * (float(near[place]) ** 2 + 1e-9)
                voters += count
            if voters >= NEIGHBOURS:
                break
        best = min(votes, key=lambda key: (-votes[key], key))
        return Guess(self._said[best], float(votes[best] / sum(votes.values())))


def _fit(texts: Sequence[list[str]], right: Sequence[bool]) -> tuple[object, float]:
    """A regression, or None where there is nothing to tell apart, and the share of what is right."""
    from sklearn.linear_model import LogisticRegression

    share = float(np.mean(right)) if right else math.nan
    if not right or share in (0.0, 1.0):
        return None, share
    return LogisticRegression(max_iter=1000).fit(_hashed(texts), np.array(right)), share


def _chances(fitted: tuple[object, float], texts: Sequence[list[str]], unknown: float) -> list[float]:
    model, share = fitted
    if not texts:
        return []
    if model is None:
        known = unknown if math.isnan(share) else min(max(share, 1e-6), 1 - 1e-6)
        return [known] * len(texts)
    chances: NDArray[np.float64] = model.predict_proba(_hashed(texts))[:, 1]  # type: ignore[attr-defined]
    return [float(chance) for chance in chances.clip(1e-9, 1 - 1e-9)]


def _hashed(texts: Sequence[list[str]]) -> object:
    from sklearn.feature_extraction import FeatureHasher

    return FeatureHasher(HASHES, input_type="string").transform(texts)


def _pairs(text: str) -> list[str]:
    words = words_of(text)
    return words + [f"{one} {other}" for one, other in pairwise(words)]


def _beside(question: str, option: str) -> list[str]:
    own = _pairs(option)
    return [*own, " ".join(words_of(option)) + "!", *(f"{word} > {one}" for word in words_of(question) for one in own)]
