"""Scores of answers to open, closed and multiple-choice questions, with bootstrap intervals over images.

Every figure is computed from sums over questions, so all resamples together are one matrix product. Letters: N
questions, U images, K sums, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zsderm.metrics.answers import overlap
from zsderm.metrics.answers.bert_similarity import BertSimilarity
from zsderm.metrics.answers.normal_form import same, word_f1, word_recall, words_of
from zsderm.metrics.answers.replies import NO, YES, option_of, yes_or_no
from zsderm.metrics.answers.table import CHOICE, CLOSED, OPEN, AnsweredQuestion
from zsderm.metrics.intervals import interval, unit_of

RESAMPLES = 1_000
_AT_ONCE = 100  # resamples drawn at a time
_BERT = ("bert_precision", "bert_recall", "bert_f1")
# Name in JSON -> heading in tables, in the order of both.
HEADINGS = {
    "exact_match": "exact",
    "word_f1": "word F1",
    "closed_accuracy": "closed",
    "closed_balanced": "closed, balanced",
    "choice_accuracy": "choice",
    "not_read": "not read",
    **{f"bleu{order}": f"BLEU-{order}" for order in range(1, 5)},
    "meteor": "METEOR (stem)",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rougeL": "ROUGE-L",
    "bert_precision": "BERTScore P",
    "bert_recall": "BERTScore R",
    "bert_f1": "BERTScore F",
    "word_recall": "recall",
    "length_ratio": "length",
}


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % bootstrap interval; NaN without questions, and NaN bounds with fewer than two images."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class AnswerScores:
    """The figures of one set of questions.

    Attributes:
        questions: how many, by form.
        images: how many.
        figures: by name, see `HEADINGS`. Texts are compared on open questions; exact match and word F1 on all.
            `closed_balanced` is the mean of the accuracy on questions with the answer yes and of the accuracy on those
            with the answer no. `not_read` is the share of closed and multiple-choice questions from whose reply no
            single answer can be read; these count as wrong. `length_ratio` is the number of words in all answers to
            open questions, divided by that in all references.
    """

    questions: Mapping[str, int]
    images: int
    figures: Mapping[str, Figure]

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON; an undefined figure is None."""
        figures = {
            name: {
                key: None if math.isnan(value) else round(value, 6)
                for key, value in (("value", one.value), ("low", one.low), ("high", one.high))
            }
            for name, one in self.figures.items()
        }
        return {"questions": dict(self.questions), "images": self.images, **figures}


@dataclass(frozen=True)
class ScoredAnswers:
    """The scores of all questions, and of the questions of each kind and of each modality."""

    overall: AnswerScores
    by_kind: Mapping[str, AnswerScores]
    by_modality: Mapping[str, AnswerScores]

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        found: dict[str, object] = self.overall.to_dict()
        for name, parts in (("by_kind", self.by_kind), ("by_modality", self.by_modality)):
            if parts:
                found[name] = {part: scores.to_dict() for part, scores in parts.items()}
        return found


def score_answers(
    questions: Sequence[AnsweredQuestion],
    *,
    similarity: BertSimilarity | None = None,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
) -> ScoredAnswers:
    """Score answers.

    Args:
        questions: N, with their predictions.
        similarity: computes BERTScore; None leaves it out.
        rng: source of randomness; by default seeded with 0, so that the intervals are reproducible.
        resamples: R.

    Returns:
        Figures with 95 % percentile bootstrap intervals; images are resampled, each with all its questions.

    Raises:
        MissingDependencyError: without the packages of zsderm[vqa].
    """
    columns = _sums(questions, similarity)
    draw = rng or np.random.default_rng(0)

    def of(places: Sequence[int]) -> AnswerScores:
        kept = {name: values[places] for name, values in columns.items()}
        own = [questions[place] for place in places]
        forms = {form: sum(q.form == form for q in own) for form in (OPEN, CLOSED, CHOICE)}
        return AnswerScores(forms, len({q.image for q in own}), _figures(own, kept, draw, resamples))

    def parts(name: str) -> dict[str, AnswerScores]:
        values = [getattr(question, name) for question in questions]
        return {v: of([n for n, other in enumerate(values) if other == v]) for v in dict.fromkeys(values) if v}

    return ScoredAnswers(of(range(len(questions))), parts("kind"), parts("modality"))


def _sums(questions: Sequence[AnsweredQuestion], similarity: BertSimilarity | None) -> dict[str, NDArray[np.float64]]:
    """What is summed over questions, by name: (N,) each, (N, 10) for the counts of BLEU."""
    count = len(questions)
    forms = {form: np.array([q.form == form for q in questions], dtype=bool) for form in (OPEN, CLOSED, CHOICE)}
    open_ones = [place for place, question in enumerate(questions) if question.form == OPEN]
    answers = [questions[place].prediction for place in open_ones]
    references = [questions[place].answer for place in open_ones]
    found = {"all": np.ones(count), **{form: kept.astype(np.float64) for form, kept in forms.items()}}
    read = [_read(question) for question in questions]
    right = [bool(said) and same(said, question.answer) for question, said in zip(questions, read, strict=True)]
    found["exact_match"] = np.array(right, dtype=np.float64)
    found["word_f1"] = np.array([word_f1(said, q.answer) for q, said in zip(questions, read, strict=True)])
    for answer in (YES, NO):
        asked = np.array([q.form == CLOSED and q.answer == answer for q in questions], dtype=np.float64)
        found[answer], found[f"right_{answer}"] = asked, asked * found["exact_match"]
    found["right_choice"] = found[CHOICE] * found["exact_match"]
    found["not_read"] = np.array([q.form != OPEN and not said for q, said in zip(questions, read, strict=True)], float)
    texts = {
        "bleu": overlap.bleu_counts(answers, references),
        "meteor": overlap.meteor(answers, references),
        "word_recall": np.array([word_recall(a, r) for a, r in zip(answers, references, strict=True)]),
        "said": np.array([len(words_of(text)) for text in answers], dtype=np.float64),
        "expected": np.array([len(words_of(text)) for text in references], dtype=np.float64),
        **dict(zip(overlap.ROUGES, overlap.rouge(answers, references).T, strict=True)),
    }
    if similarity is not None:
        texts |= dict(zip(_BERT, similarity.score(answers, references).T, strict=True))
    for name, values in texts.items():
        whole = np.zeros((count, *values.shape[1:]))
        whole[open_ones] = values
        found[name] = whole
    return found


def _read(question: AnsweredQuestion) -> str:
    if question.form == CLOSED:
        return yes_or_no(question.prediction)
    return option_of(question.prediction, question.options) if question.form == CHOICE else question.prediction


def _figures(
    questions: Sequence[AnsweredQuestion],
    columns: Mapping[str, NDArray[np.float64]],
    rng: np.random.Generator,
    resamples: int,
) -> dict[str, Figure]:
    names = list(columns)
    flat = np.column_stack([columns[name] for name in names])  # (N, K)
    ends = np.cumsum([1 if columns[name].ndim == 1 else columns[name].shape[1] for name in names])
    spans = {name: slice(end - (columns[name][0].size), end) for name, end in zip(names, ends, strict=True)}
    units = unit_of([question.image for question in questions])
    per_unit = np.zeros((units.max() + 1, flat.shape[1]))  # (U, K)
    np.add.at(per_unit, units, flat)
    totals = [per_unit.sum(axis=0, keepdims=True)]
    if len(per_unit) > 1:
        sizes = [min(_AT_ONCE, resamples - start) for start in range(0, resamples, _AT_ONCE)]
        even = np.full(len(per_unit), 1 / len(per_unit))
        totals += [rng.multinomial(len(per_unit), even, size=size) @ per_unit for size in sizes]
    sums = np.concatenate(totals)  # (1 + R, K): the first row is what was seen

    def of(name: str) -> NDArray[np.float64]:
        return sums[:, spans[name]]

    rows = {name: how(of) for name, how in _FORMULAS.items() if name not in _BERT or name in columns}
    return {name: Figure(float(row[0]), *interval(row[1:])) for name, row in rows.items()}


_Sums = Callable[[str], NDArray[np.float64]]


def _share(top: str, bottom: str) -> Callable[[_Sums], NDArray[np.float64]]:
    return lambda of: _over(of(top)[:, 0], of(bottom)[:, 0])


def _over(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)


def _closed(of: _Sums) -> NDArray[np.float64]:
    return _over((of("right_yes") + of("right_no"))[:, 0], of(CLOSED)[:, 0])


def _balanced(of: _Sums) -> NDArray[np.float64]:
    """The mean over yes and no; NaN where only one of the two is ever right."""
    return (_over(of("right_yes")[:, 0], of(YES)[:, 0]) + _over(of("right_no")[:, 0], of(NO)[:, 0])) / 2


def _not_read(of: _Sums) -> NDArray[np.float64]:
    return _over(of("not_read")[:, 0], (of(CLOSED) + of(CHOICE))[:, 0])


def _bleu(order: int) -> Callable[[_Sums], NDArray[np.float64]]:
    return lambda of: np.array([overlap.bleu(counts, order) for counts in of("bleu")])


_FORMULAS: Mapping[str, Callable[[_Sums], NDArray[np.float64]]] = {
    "exact_match": _share("exact_match", "all"),
    "word_f1": _share("word_f1", "all"),
    "closed_accuracy": _closed,
    "closed_balanced": _balanced,
    "choice_accuracy": _share("right_choice", CHOICE),
    "not_read": _not_read,
    **{f"bleu{order}": _bleu(order) for order in range(1, overlap.ORDERS + 1)},
    **{name: _share(name, OPEN) for name in ("meteor", *overlap.ROUGES, *_BERT, "word_recall")},
    "length_ratio": _share("said", "expected"),
}
