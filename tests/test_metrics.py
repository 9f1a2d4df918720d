"""Every figure against a slow twin in plain Python, and the invariants that its docstring states."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsderm import metrics
from zsderm.errors import InputError


def _sample(seed: int, images: int = 60, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Labels of a long-tailed set and probabilities that lean towards them; the last class never occurs."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(
        classes - 1, size=images, p=np.array([8, 3, 1, 1, 1][: classes - 1]) / sum([8, 3, 1, 1, 1][: classes - 1])
    )
    logits = rng.normal(size=(images, classes)) + 1.5 * np.eye(classes)[labels]
    return labels, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def _slow_recalls(true: list[int], predicted: list[int]) -> dict[int, float]:
    return {c: sum(p == t == c for t, p in zip(true, predicted, strict=True)) / true.count(c) for c in set(true)}


def _slow_f1(true: list[int], predicted: list[int]) -> float:
    scores = []
    for c in set(true) | set(predicted):
        both = sum(p == t == c for t, p in zip(true, predicted, strict=True))
        scores.append(2 * both / (true.count(c) + predicted.count(c)))
    return sum(scores) / len(scores)


def _slow_auroc(true: list[int], scores: list[list[float]]) -> float:
    """How often an image of the class outscores one that is not, ties counting half; mean over classes."""
    areas = []
    for c in range(len(scores[0])):
        inside = [row[c] for row, t in zip(scores, true, strict=True) if t == c]
        outside = [row[c] for row, t in zip(scores, true, strict=True) if t != c]
        if inside and outside:
            wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in product(inside, outside)]
            areas.append(sum(wins) / len(wins))
    return sum(areas) / len(areas)


def _slow_calibration(confidence: list[float], correct: list[bool], bins: int) -> float:
    total = 0.0
    for b in range(bins):
        members = [i for i, c in enumerate(confidence) if b / bins < c <= (b + 1) / bins]
        if members:
            accuracy = sum(correct[i] for i in members) / len(members)
            mean = sum(confidence[i] for i in members) / len(members)
            total += len(members) / len(confidence) * abs(mean - accuracy)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_every_figure_equals_its_slow_twin(seed: int) -> None:
    labels, probabilities = _sample(seed)
    true, scores = labels.tolist(), probabilities.tolist()
    predicted = [row.index(max(row)) for row in scores]
    correct = [p == t for p, t in zip(predicted, true, strict=True)]
    recalls = _slow_recalls(true, predicted)
    found = metrics.evaluate(labels, probabilities)
    assert (found.n, found.unclassified) == (len(true), 0)
    assert found.accuracy == pytest.approx(sum(correct) / len(true))
    assert found.balanced_accuracy == pytest.approx(sum(recalls.values()) / len(recalls))
    assert found.macro_f1 == pytest.approx(_slow_f1(true, predicted))
    top3 = [t in sorted(range(4), key=lambda c: -row[c])[:3] for t, row in zip(true, scores, strict=True)]
    assert found.top3_accuracy == pytest.approx(sum(top3) / len(true))
    assert found.macro_auroc == pytest.approx(_slow_auroc(true, scores))
    assert found.majority_rate == pytest.approx(max(true.count(c) for c in set(true)) / len(true))
    expected = _slow_calibration([max(row) for row in scores], correct, 15)
    assert found.calibration_error == pytest.approx(expected)


def test_the_interval_agrees_with_a_bootstrap_that_draws_images() -> None:
    correct = np.random.default_rng(3).random(200) < 0.7
    rng = np.random.default_rng(4)
    means = [correct[rng.integers(0, 200, 200)].mean() for _ in range(4000)]
    found = metrics.accuracy_interval(correct, np.random.default_rng(5), resamples=4000)
    assert found == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.011)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_no_figure_depends_on_the_order_of_the_images(seed: int) -> None:
    labels, probabilities = _sample(seed, images=25)
    order = np.random.default_rng(seed).permutation(25)
    first, second = metrics.evaluate(labels, probabilities), metrics.evaluate(labels[order], probabilities[order])
    assert first.to_dict() == pytest.approx(second.to_dict())


def test_figures_repeat_because_the_bootstrap_is_seeded() -> None:
    assert metrics.evaluate(*_sample(1)) == metrics.evaluate(*_sample(1))


def test_a_class_that_never_occurs_is_left_out_of_the_mean() -> None:
    labels, probabilities = np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]])
    wider = np.hstack([probabilities, np.zeros((4, 3))])
    assert metrics.evaluate(labels, wider).macro_auroc == 1.0
    assert metrics.evaluate(labels, wider).balanced_accuracy == 1.0


def test_auroc_is_nan_when_no_class_has_both_sides() -> None:
    found = metrics.evaluate([1, 1], [[0.2, 0.8], [0.6, 0.4]])
    assert math.isnan(found.macro_auroc)
    assert (found.accuracy, found.balanced_accuracy, found.majority_rate) == (0.5, 0.5, 1.0)
    assert found.to_dict()["macro_auroc"] is None
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["n"] == 2


def test_a_row_with_nan_is_an_image_without_a_prediction() -> None:
    labels, probabilities = _sample(2)
    probabilities[[4, 9]] = np.nan
    found = metrics.evaluate(labels, probabilities)
    kept = np.delete(np.arange(len(labels)), [4, 9])
    assert found.unclassified == 2
    assert found.accuracy == metrics.evaluate(labels[kept], probabilities[kept]).accuracy
    assert "images without a prediction" in found.to_markdown()


def test_labels_alone_leave_the_figures_that_need_probabilities_undefined() -> None:
    labels, probabilities = _sample(6)
    predicted = probabilities.argmax(axis=1)
    predicted[0] = -1
    found = metrics.evaluate_labels(labels, predicted, 4)
    assert (found.n, found.unclassified) == (len(labels) - 1, 1)
    assert found.accuracy == pytest.approx((predicted[1:] == labels[1:]).mean())
    assert all(math.isnan(value) for value in (found.top3_accuracy, found.macro_auroc, found.calibration_error))


def test_markdown_has_three_decimals_and_an_interval() -> None:
    lines = metrics.evaluate([0, 1, 1, 0], [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.9, 0.1]]).to_markdown().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "| accuracy " in lines[3] and "0.750 (" in lines[3]


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        ([0, 1], [[1.0, 0.0]], "one label per row"),
        ([2], [[1.0, 0.0]], "between 0 and 1"),
        ([-1], [[1.0, 0.0]], "between 0 and 1"),
        ([0.5], [[1.0, 0.0]], "integers"),
        ([0], [[math.nan, math.nan]], "at least one image"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(labels: list, probabilities: list, words: str) -> None:
    with pytest.raises(InputError, match=words):
        metrics.evaluate(labels, probabilities)
