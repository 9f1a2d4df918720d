"""Every figure against a slow twin in plain Python, and the invariants that its docstring states."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from zsderm import metrics


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
def test_every_figure_equals_its_slow_twin(sample: Callable, seed: int) -> None:
    labels, scores = sample(seed)
    true, rows, predicted = labels.tolist(), scores.tolist(), scores.argmax(axis=1)
    recalls = _slow_recalls(true, predicted.tolist())
    assert metrics.balanced_accuracy(labels, predicted) == pytest.approx(sum(recalls.values()) / len(recalls))
    assert metrics.macro_f1(labels, predicted) == pytest.approx(_slow_f1(true, predicted.tolist()))
    assert metrics.macro_auroc(labels, scores) == pytest.approx(_slow_auroc(true, rows))
    for k in (1, 3, 5):
        best = [t in sorted(range(4), key=lambda c: -row[c])[:k] for t, row in zip(true, rows, strict=True)]
        assert metrics.top_k_accuracy(labels, scores, k) == pytest.approx(sum(best) / len(true))
    expected = _slow_calibration(scores.max(axis=1).tolist(), (predicted == labels).tolist(), 15)
    assert metrics.calibration_error(scores.max(axis=1), predicted == labels) == pytest.approx(expected)


def test_the_confusion_matrix_counts_true_classes_in_rows_and_has_room_for_classes_that_never_occur() -> None:
    found = metrics.confusion_matrix(np.array([0, 0, 1, 3]), np.array([0, 1, 1, 0]), 4)
    assert found.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_reliability_bins_are_closed_on_the_right_and_empty_ones_are_nan() -> None:
    found = metrics.reliability(np.array([0.5, 0.50001, 1.0, 0.0]), np.array([True, False, True, False]), bins=4)
    assert found.count.tolist() == [1, 1, 1, 1]  # 0.5 closes the second bin, 0.50001 opens the third
    assert found.accuracy.tolist() == [0, 1, 0, 1]
    assert np.isnan(metrics.reliability(np.array([0.9]), np.array([True]), bins=4).confidence[:3]).all()


def test_the_sums_do_not_depend_on_the_order_of_the_images_to_the_last_bit(sample: Callable) -> None:
    labels, scores = sample(3, images=501)
    confidence, correct = scores.max(axis=1), scores.argmax(axis=1) == labels
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(501)
        assert metrics.calibration_error(confidence[order], correct[order]) == metrics.calibration_error(
            confidence, correct
        )


@pytest.mark.filterwarnings("error")
def test_of_no_images_every_figure_is_nan() -> None:
    none, scores = np.zeros(0, int), np.zeros((0, 3))
    figures = [
        metrics.balanced_accuracy(none, none),
        metrics.macro_f1(none, none),
        metrics.top_k_accuracy(none, scores, 3),
        metrics.macro_auroc(none, scores),
        metrics.calibration_error(np.zeros(0), np.zeros(0, bool)),
    ]
    assert np.isnan(figures).all()
