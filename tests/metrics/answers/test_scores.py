"""The figures against values computed here, by the formulas of the papers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from zsderm.metrics.answers import AnsweredQuestion, score_answers
from zsderm.metrics.answers.overlap import bleu, bleu_counts, meteor, rouge

ANSWERS = [
    "a red scaly plaque with a sharp edge on the elbow",
    "brown papules and black dots",
    "crust",
    "red red red red",
    "",
]
REFERENCES = [
    "a sharp red plaque with silvery scale on the elbow",
    "brown papules and grey dots",
    "crust over an ulcer",
    "a red patch",
    "a pearly border",
]


def _grams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[n : n + order]) for n in range(len(words) - order + 1))


def _reference_bleu(answers: Sequence[str], references: Sequence[str], highest: int) -> float:
    """Papineni et al. 2002, equations 2 to 4, one reference an answer."""
    logs = []
    for order in range(1, highest + 1):
        matches = possible = 0
        for answer, reference in zip(answers, references, strict=True):
            own, expected = _grams(answer.split(), order), _grams(reference.split(), order)
            matches += sum(min(count, expected[gram]) for gram, count in own.items())
            possible += sum(own.values())
        if not matches:
            return 0.0
        logs.append(math.log(matches / possible))
    said, expected_words = (sum(len(text.split()) for text in texts) for texts in (answers, references))
    return min(1.0, math.exp(1 - expected_words / said)) * math.exp(sum(logs) / highest)


def _reference_rouge(answer: str, reference: str) -> tuple[float, float, float]:
    """Lin 2004: F of shared words, of shared pairs, and of the longest common subsequence."""
    said, expected = answer.split(), reference.split()
    found = []
    for order in (1, 2):
        one, other = _grams(said, order), _grams(expected, order)
        found.append(_f1((one & other).total(), one.total(), other.total()))
    table = np.zeros((len(said) + 1, len(expected) + 1), int)
    for i, word in enumerate(said):
        for j, wanted in enumerate(expected):
            table[i + 1, j + 1] = table[i, j] + 1 if word == wanted else max(table[i, j + 1], table[i + 1, j])
    return found[0], found[1], _f1(int(table[-1, -1]), len(said), len(expected))


def _f1(shared: int, said: int, expected: int) -> float:
    return 2 * shared / (said + expected) if shared else 0.0


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_bleu_is_that_of_the_paper(order: int) -> None:
    counts = bleu_counts(ANSWERS, REFERENCES).sum(axis=0)
    assert bleu(counts, order) == pytest.approx(_reference_bleu(ANSWERS, REFERENCES, order))


@pytest.mark.slow  # its package takes half a second to import
def test_rouge_is_that_of_the_paper() -> None:
    found = rouge(ANSWERS, REFERENCES)
    expected = [_reference_rouge(*pair) for pair in zip(ANSWERS, REFERENCES, strict=True)]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("answer", "reference", "matches", "chunks"),
    [
        ("the red plaque", "the red plaque", 3, 1),
        ("plaques are red", "a red plaque", 2, 2),  # "plaques" has the stem of "plaque"; the order is another
        ("crusting on the nose", "crusted skin on the nose", 4, 2),
        ("blue", "red", 0, 0),
    ],
)
def test_meteor_is_that_of_the_paper_without_synonyms(answer: str, reference: str, matches: int, chunks: int) -> None:
    said, expected = len(answer.split()), len(reference.split())
    value = 0.0
    if matches:
        precision, recall = matches / said, matches / expected
        value = precision * recall / (0.9 * precision + 0.1 * recall) * (1 - 0.5 * (chunks / matches) ** 3)
    assert meteor([answer], [reference])[0] == pytest.approx(value)


def _closed(number: int, answer: str, prediction: str, image: str = "") -> AnsweredQuestion:
    question = "Is there scale?"
    return AnsweredQuestion(str(number), image or str(number), question, answer, prediction, "morphology", "closed")


def test_closed_questions_are_balanced_over_yes_and_no() -> None:
    answers = [("yes", "Yes."), ("yes", "yes, clearly"), ("yes", "no"), ("no", "yes"), ("no", "I cannot tell")]
    found = score_answers([_closed(n, *pair) for n, pair in enumerate(answers)], resamples=20).overall.figures
    assert found["closed_accuracy"].value == pytest.approx(2 / 5)
    assert found["closed_balanced"].value == pytest.approx((2 / 3 + 0 / 2) / 2)
    assert found["not_read"].value == pytest.approx(1 / 5)
    assert math.isnan(found["bleu1"].value)


def test_always_yes_is_half_right_when_balanced() -> None:
    rows = [_closed(n, "no" if n < 2 else "yes", "yes") for n in range(20)]
    found = score_answers(rows, resamples=20).overall.figures
    assert (found["closed_accuracy"].value, found["closed_balanced"].value) == (pytest.approx(0.9), pytest.approx(0.5))


def test_texts_choices_and_all_questions_have_figures_of_their_own() -> None:
    rows = [
        AnsweredQuestion("1", "a.jpg", "What is seen?", "The red plaque.", "a red plaque", "morphology"),
        AnsweredQuestion("2", "a.jpg", "What is seen?", "scale and crust", "scale", "morphology"),
        AnsweredQuestion("3", "b.jpg", "Which?", "crust", "(b)", "morphology", "choice", "", ("scale", "crust")),
        AnsweredQuestion("4", "b.jpg", "Which?", "crust", "It is scale", "colour", "choice", "", ("scale", "crust")),
    ]
    scored = score_answers(rows, resamples=50)
    found = scored.overall.figures
    assert found["exact_match"].value == pytest.approx(2 / 4)
    assert found["word_f1"].value == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    assert found["choice_accuracy"].value == pytest.approx(1 / 2)
    assert found["word_recall"].value == pytest.approx((1 + 1 / 3) / 2)
    assert found["length_ratio"].value == pytest.approx(3 / 5)
    assert set(scored.by_kind) == {"morphology", "colour"}
    assert scored.by_kind["colour"].figures["choice_accuracy"].value == 0.0
    assert not scored.by_modality


def test_the_interval_is_that_of_images_drawn_with_their_questions() -> None:
    """A slow, obvious twin: draw images, collect their questions, and take the mean."""
    rng = np.random.default_rng(1)
    asked = rng.integers(1, 6, 30)
    rows: list[AnsweredQuestion] = []
    for image in range(30):
        right = rng.random() < 0.5
        rows += [_closed(10 * image + n, "yes", "yes" if right else "no", str(image)) for n in range(asked[image])]
    found = score_answers(rows, resamples=2000).overall.figures["closed_accuracy"]
    by_image: dict[str, list[bool]] = {}
    for row in rows:
        by_image.setdefault(row.image, []).append(row.prediction == "yes")
    values = list(by_image.values())
    means = []
    for _ in range(2000):
        drawn = [answer for place in rng.integers(0, 30, 30) for answer in values[place]]
        means.append(np.mean(drawn))
    low, high = np.quantile(means, (0.025, 0.975))
    assert (found.low, found.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))


def test_one_image_has_no_interval_and_figures_do_not_depend_on_the_order() -> None:
    one = score_answers([_closed(1, "yes", "yes")]).overall.figures["closed_accuracy"]
    assert one.value == 1.0 and math.isnan(one.low)
    rows = [_closed(n, "yes", "yes" if n % 3 else "no") for n in range(12)]
    ahead, back = score_answers(rows, resamples=50), score_answers(rows[::-1], resamples=50)
    assert ahead.overall.figures["closed_accuracy"].value == back.overall.figures["closed_accuracy"].value
