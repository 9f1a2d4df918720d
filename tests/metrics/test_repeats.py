"""The figures of repeats: against scikit-learn, and against the figures of one run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics
from numpy.typing import NDArray

from zsderm.errors import InputError
from zsderm.metrics import evaluate, evaluate_repeats
from zsderm.metrics.repeats import _areas_and_losses

N, C = 60, 4


def _case(repeats: int = 1, seed: int = 0) -> tuple[NDArray[np.int_], list[NDArray[np.float64]], NDArray[np.object_]]:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, C, N)
    tables = []
    for _ in range(repeats):
        scores = np.exp(rng.normal(size=(N, C)) + 1.5 * np.eye(C)[true]).round(1) + 0.1  # some tie
        tables.append(scores / scores.sum(axis=1, keepdims=True))
    return true, tables, np.array([f"p{row // 2}" for row in range(N)], dtype=object)


def test_with_one_repeat_the_figures_are_those_of_evaluate() -> None:
    true, (scores,), patients = _case()
    found = evaluate_repeats(true, [scores], clusters=patients, resamples=200).to_dict()
    expected = evaluate(true, scores, clusters=patients, resamples=200).to_dict()
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["accuracy_spread"] is None


def _reference(true: NDArray[np.int_], scores: NDArray[np.float64]) -> dict[str, float]:
    answer, hot = scores.argmax(axis=1), np.eye(C)[true]
    report = sklearn.metrics.classification_report(true, answer, output_dict=True, zero_division=0)["macro avg"]
    return {
        "macro_precision": report["precision"],
        "macro_recall": report["recall"],
        "macro_f1": report["f1-score"],
        "macro_auroc": sklearn.metrics.roc_auc_score(true, scores, multi_class="ovr", average="macro"),
        "macro_auprc": sklearn.metrics.average_precision_score(hot, scores, average="macro"),
        "log_loss": sklearn.metrics.log_loss(true, scores, labels=range(C)),
    }


def test_every_figure_is_the_mean_over_the_repeats_of_what_scikit_learn_gives() -> None:
    true, tables, _ = _case(repeats=3)
    found = evaluate_repeats(true, tables, resamples=20)
    each = [_reference(true, scores) for scores in tables]
    for name in each[0]:
        values = [figures[name] for figures in each]
        assert found.means[name] == pytest.approx(np.mean(values))
        assert found.spreads[name] == pytest.approx(np.std(values, ddof=1))
        low, high = found.bounds[name]
        assert low < found.means[name] < high


def test_resampled_areas_and_losses_are_those_of_the_drawn_images() -> None:
    true, (scores,), _ = _case()
    drawn = _areas_and_losses(true, scores, None, 4)
    # the slow way: repeat every image as often as it was drawn, and ask scikit-learn
    from zsderm.metrics.score_intervals import in_order, weights

    order, units = in_order(true, scores, None)
    (counts,) = weights(units, np.random.default_rng(0), 4)
    for resample in range(4):
        rows = np.repeat(order, counts[resample].astype(int))
        hot = np.eye(C)[true[rows]]
        area = sklearn.metrics.average_precision_score(hot, scores[rows], average="macro")
        assert drawn["macro_auprc"][resample] == pytest.approx(area, abs=1e-6)
        loss = sklearn.metrics.log_loss(true[rows], scores[rows], labels=range(C))
        assert drawn["log_loss"][resample] == pytest.approx(loss, rel=1e-5)


def test_the_interval_is_of_the_test_images_and_the_spread_of_the_repeats() -> None:
    true, (scores,), patients = _case()
    found = evaluate_repeats(true, [scores] * 3, clusters=patients, resamples=200)
    assert max(found.spreads.values()) < 1e-12
    once = evaluate_repeats(true, [scores], clusters=patients, resamples=200)
    assert found.bounds["accuracy"] == pytest.approx(once.bounds["accuracy"])
    assert found.units == N // 2 and found.repeats == 3


def test_images_without_a_prediction_are_counted_and_left_out() -> None:
    true, tables, _ = _case(repeats=2)
    for table in tables:
        table[3] = math.nan
    found = evaluate_repeats(true, tables, resamples=10)
    assert (found.n, found.unclassified) == (N - 1, 1)
    with pytest.raises(InputError, match="all 60 are without one"):
        evaluate_repeats(true, [table * math.nan for table in tables])
    with pytest.raises(InputError, match="at least one repeat"):
        evaluate_repeats(true, [])
