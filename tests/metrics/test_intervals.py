"""The bootstrap against one that draws images or patients row by row, and what it must not depend on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest

from zsderm import metrics


def _slow_figures(true: np.ndarray, answer: np.ndarray) -> tuple[float, float, float]:
    recalls = [(answer[true == c] == c).mean() for c in set(true.tolist())]
    both = [2 * ((true == c) & (answer == c)).sum() for c in set(true.tolist()) | set(answer.tolist())]
    sizes = [(true == c).sum() + (answer == c).sum() for c in set(true.tolist()) | set(answer.tolist())]
    return (true == answer).mean(), np.mean(recalls), np.mean(np.array(both) / np.array(sizes))


def _slow_bootstrap(true: np.ndarray, answer: np.ndarray, clusters: np.ndarray, resamples: int) -> np.ndarray:
    """(R, 3): accuracy, balanced accuracy and macro-F1, with every unit drawn and every row looked up."""
    rng, rows = np.random.default_rng(1), [np.flatnonzero(clusters == name) for name in np.unique(clusters)]
    draws = (np.concatenate([rows[unit] for unit in rng.integers(0, len(rows), len(rows))]) for _ in range(resamples))
    return np.array([_slow_figures(true[drawn], answer[drawn]) for drawn in draws])


@pytest.mark.parametrize("per_patient", [1, 4])
def test_it_agrees_with_a_bootstrap_that_draws_every_row(sample: Callable, per_patient: int) -> None:
    true, scores = sample(3, images=120)
    answer, clusters = scores.argmax(axis=1), np.arange(120) // per_patient
    slow = np.quantile(_slow_bootstrap(true, answer, clusters, 700), [0.025, 0.975], axis=0)
    (fast,) = metrics.bootstrap(true, [answer], 4, clusters=clusters if per_patient > 1 else None)
    for column, name in enumerate(("accuracy", "balanced_accuracy", "macro_f1")):
        assert metrics.interval(getattr(fast, name)) == pytest.approx(tuple(slow[:, column]), abs=0.035)


def test_patients_with_one_image_each_are_the_same_as_no_patients(sample: Callable) -> None:
    true, scores = sample(1)
    answers = [scores.argmax(axis=1)]
    (alone,), (named,) = (
        metrics.bootstrap(true, answers, 4, clusters=clusters) for clusters in (None, [f"p{n}" for n in range(60)])
    )
    assert (alone.macro_f1 == named.macro_f1).all()


def test_copies_of_an_image_make_the_interval_by_patient_no_narrower(sample: Callable) -> None:
    true, scores = sample(2)
    widths = []
    for copies in (1, 9):
        patient = np.repeat(np.arange(60), copies)
        (drawn,) = metrics.bootstrap(true[patient], [scores[patient].argmax(axis=1)], 4, clusters=patient)
        low, high = metrics.interval(drawn.accuracy)
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0], abs=0.02)


def test_no_draw_depends_on_the_order_of_the_images_or_the_names_of_the_units(sample: Callable) -> None:
    true, scores = sample(4)
    answer, patient = scores.argmax(axis=1), np.arange(60) // 3
    order = np.random.default_rng(0).permutation(60)
    (first,) = metrics.bootstrap(true, [answer], 4, clusters=patient)
    renamed = [f"x{99 - p}" for p in patient[order]]
    (second,) = metrics.bootstrap(true[order], [answer[order]], 4, clusters=renamed)
    assert (first.balanced_accuracy == second.balanced_accuracy).all()


@pytest.mark.parametrize("unknown", ["", None, math.nan])
def test_an_image_without_a_patient_stands_alone(sample: Callable, unknown: object) -> None:
    true, scores = sample(5)
    clusters = ["a"] * 10 + [unknown] * 50
    assert metrics.evaluate(true, scores, clusters=clusters).units == 51


def test_one_unit_has_no_interval(sample: Callable) -> None:
    true, scores = sample(6, images=5)
    found = metrics.evaluate(true, scores, clusters=["a"] * 5)
    assert math.isnan(found.accuracy_low) and math.isnan(found.macro_f1_high)
    assert "(– to –)" in found.to_markdown()


def test_the_accuracy_alone_is_drawn_from_a_binomial() -> None:
    correct = np.random.default_rng(3).random(200) < 0.7
    rng = np.random.default_rng(4)
    means = [correct[rng.integers(0, 200, 200)].mean() for _ in range(4000)]
    found = metrics.accuracy_interval(correct, np.random.default_rng(5), resamples=4000)
    assert found == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.011)


def test_two_thousand_resamples_of_a_thousand_images_take_less_than_two_seconds(sample: Callable) -> None:
    true, scores = sample(7, images=1182, classes=6)
    started = time.process_time()
    metrics.bootstrap(true, [scores.argmax(axis=1)], 6, clusters=np.arange(1182) // 2)
    assert time.process_time() - started < 2
