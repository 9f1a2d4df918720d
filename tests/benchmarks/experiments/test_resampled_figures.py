from __future__ import annotations

import numpy as np
import pytest

from zsderm.benchmarks.experiments.resampled_figures import FIGURES, RESAMPLES, figures, resampled, with_interval
from zsderm.metrics import balanced_accuracy, calibration_error, compare, evaluate, top_k_accuracy


def _example(seed: int = 0, count: int = 90) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 4, count)
    rows = rng.dirichlet(np.ones(4), count) + 0.5 * np.eye(4)[true]
    return true, rows / rows.sum(axis=1, keepdims=True), rng.integers(0, 40, count)


def test_the_first_figure_is_that_of_the_library() -> None:
    true, rows, units = _example()
    found = figures(true, [rows], resampled(units))
    answers = rows.argmax(axis=1)
    assert list(found) == list(FIGURES) and all(len(values) == RESAMPLES + 1 for values in found.values())
    assert found["accuracy"][0] == pytest.approx((answers == true).mean())
    assert found["balanced"][0] == pytest.approx(balanced_accuracy(true, answers))
    assert found["top3"][0] == pytest.approx(top_k_accuracy(true, rows, 3))
    assert found["log_likelihood"][0] == pytest.approx(np.log(rows[np.arange(len(true)), true]).mean())
    assert found["calibration_error"][0] == pytest.approx(calibration_error(rows.max(axis=1), answers == true))


def test_a_row_that_counts_twice_is_a_row_that_stands_there_twice() -> None:
    true, rows, _ = _example(1, 20)
    weights = np.random.default_rng(2).integers(0, 3, 20)
    twice = np.repeat(np.arange(20), weights)
    weighted = figures(true, [rows], weights[None].astype(float))
    plain = figures(true[twice], [rows[twice]], np.ones((1, len(twice))))
    for name in FIGURES:
        assert weighted[name] == pytest.approx(plain[name])


def test_intervals_are_about_those_of_the_library() -> None:
    true, rows, units = _example(3, 300)
    _, other, _ = _example(4, 300)
    weights = resampled(units)
    found = with_interval(figures(true, [rows], weights)["balanced"])
    expected = evaluate(true, rows, clusters=[f"p{unit}" for unit in units])
    assert found["low"] == pytest.approx(expected.balanced_accuracy_low, abs=0.015)
    assert found["high"] == pytest.approx(expected.balanced_accuracy_high, abs=0.015)
    gain = with_interval(figures(true, [other], weights)["accuracy"] - figures(true, [rows], weights)["accuracy"])
    library = compare(true, rows, other, clusters=[f"p{unit}" for unit in units]).accuracy
    assert gain["value"] == pytest.approx(library.value) and gain["low"] == pytest.approx(library.low, abs=0.015)


def test_rows_of_a_unit_are_drawn_together_and_drawings_are_averaged() -> None:
    true, rows, units = _example()
    weights = resampled(units)
    assert weights.shape == (RESAMPLES + 1, 90) and (weights[0] == 1).all()
    for unit in np.unique(units):
        assert (weights[:, units == unit] == weights[:, units == unit][:, :1]).all()
    _, other, _ = _example(5)
    mean = figures(true, [rows, other], weights)["accuracy"]
    each = [figures(true, [table], weights)["accuracy"] for table in (rows, other)]
    assert mean == pytest.approx((each[0] + each[1]) / 2)


def test_a_resample_without_rows_has_no_figure() -> None:
    true, rows, _ = _example(0, 6)
    weights = np.concatenate([np.ones((1, 6)), np.zeros((1, 6)), np.ones((1, 6))])
    found = figures(true, [rows], weights)["accuracy"]
    assert np.isnan(found[1]) and not np.isnan(with_interval(found)["low"])
