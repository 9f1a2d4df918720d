"""The bootstrap of AUROC and calibration error against one that computes the figures on every drawn row."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from zsderm import metrics
from zsderm.metrics.score_intervals import _draw


def test_every_resample_has_the_figures_of_its_rows(sample: Callable) -> None:
    true, scores = sample(3, images=90)
    scores = scores.round(2) / scores.round(2).sum(axis=1, keepdims=True)  # with ties
    patient = np.arange(90) // 3
    order = np.argsort(np.column_stack([true, scores]).tolist(), axis=0)[:, 0]  # any order gives the same draws
    found = metrics.bootstrap_scores(true[order], scores[order], clusters=patient[order], resamples=200)
    again = metrics.bootstrap_scores(true, scores, clusters=[f"p{99 - p}" for p in patient], resamples=200)
    np.testing.assert_array_equal(found.macro_auroc, again.macro_auroc)
    np.testing.assert_array_equal(found.calibration_error, again.calibration_error)
    rng = np.random.default_rng(1)
    slow = []
    for _ in range(400):
        rows = np.concatenate([np.flatnonzero(patient == unit) for unit in rng.integers(0, 30, 30)])
        error = metrics.calibration_error(scores[rows].max(axis=1), scores[rows].argmax(axis=1) == true[rows])
        slow.append((metrics.macro_auroc(true[rows], scores[rows]), error))
    for drawn, expected in zip((found.macro_auroc, found.calibration_error), np.transpose(slow), strict=True):
        assert np.mean(drawn) == pytest.approx(np.mean(expected), abs=0.01)
        assert np.std(drawn) == pytest.approx(np.std(expected), rel=0.2)


def test_a_resample_that_draws_every_image_once_has_the_figures_of_the_sample(
    sample: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, scores = sample(5, images=70)
    monkeypatch.setattr("zsderm.metrics.score_intervals._draw", lambda count, resamples, rng: np.ones((1, count), int))
    found = metrics.bootstrap_scores(true, scores.round(1) / scores.round(1).sum(axis=1, keepdims=True), resamples=1)
    whole = metrics.evaluate(true, scores.round(1) / scores.round(1).sum(axis=1, keepdims=True), resamples=1)
    assert found.macro_auroc[0] == pytest.approx(whole.macro_auroc, abs=1e-9)
    assert found.calibration_error[0] == pytest.approx(whole.calibration_error, abs=1e-6)


def test_each_draw_has_as_many_units_as_there_are() -> None:
    drawn = _draw(7, 50, np.random.default_rng(0))
    assert drawn.shape == (50, 7) and (drawn.sum(axis=1) == 7).all() and drawn.max() > 1


def test_the_summary_has_intervals_of_auroc_and_calibration_error(sample: Callable) -> None:
    found = metrics.evaluate(*sample(1, images=200))
    assert found.macro_auroc_low < found.macro_auroc < found.macro_auroc_high
    assert 0 <= found.calibration_error_low < found.calibration_error_high
    rows = dict(found.rows())
    assert " to " in rows["macro AUROC"] and " to " in rows["expected calibration error"]
    assert found.to_dict()["macro_auroc_low"] == found.macro_auroc_low


def test_the_basic_interval_corrects_what_noise_adds_and_never_goes_below_zero() -> None:
    drawn = np.random.default_rng(0).normal(0.08, 0.01, 2000)  # resamples of a figure of 0.06
    low, high = metrics.basic_interval(0.06, drawn)
    assert (low, high) == pytest.approx((0.02, 0.06), abs=0.002)
    assert metrics.basic_interval(0.03, drawn)[0] == 0
    assert all(map(math.isnan, metrics.basic_interval(0.1, np.full(9, np.nan))))


def test_one_unit_and_names_alone_have_no_interval(sample: Callable) -> None:
    true, scores = sample(6, images=5)
    alone = metrics.evaluate(true, scores, clusters=["a"] * 5)
    named = metrics.evaluate_labels(true, scores.argmax(axis=1), 4)
    for found in (alone, named):
        assert math.isnan(found.macro_auroc_low) and math.isnan(found.calibration_error_high)
    assert dict(named.rows())["macro AUROC"] == "–"


@pytest.mark.parametrize("how", ["labels", "groups"])
def test_names_alone_draw_nothing_for_figures_that_they_do_not_have(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("zsderm.metrics.summary.bootstrap_scores")
    true, named = np.array([0, 1, 1, 0]), np.array([0, 1, 0, -1])
    if how == "labels":
        found = metrics.evaluate_labels(true, named, 2)
    else:
        found = metrics.by_group(true, np.eye(2)[named], ["a"] * 4, named_only=True).groups["a"]
    assert math.isnan(found.top3_accuracy) and math.isnan(found.macro_auroc) and not math.isnan(found.accuracy_low)
