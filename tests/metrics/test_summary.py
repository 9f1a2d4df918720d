"""The summary: which images count, what is undefined, and that neither order nor batches change a bit of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsderm import metrics
from zsderm.errors import InputError


def test_the_figures_are_those_of_the_functions(sample: Callable) -> None:
    labels, scores = sample(1)
    predicted = scores.argmax(axis=1)
    found = metrics.evaluate(labels, scores)
    assert (found.n, found.unclassified, found.units) == (60, 0, 60)
    assert found.accuracy == (predicted == labels).mean()
    assert found.balanced_accuracy == metrics.balanced_accuracy(labels, predicted)
    assert found.macro_f1 == metrics.macro_f1(labels, predicted)
    assert (found.top3_accuracy, found.top5_accuracy) == (metrics.top_k_accuracy(labels, scores, 3), 1.0)
    assert found.macro_auroc == metrics.macro_auroc(labels, scores)
    assert found.majority_rate == np.bincount(labels).max() / 60
    assert found.calibration_error == metrics.calibration_error(scores.max(axis=1), predicted == labels)
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert getattr(found, f"{name}_low") < getattr(found, name) < getattr(found, f"{name}_high")


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_same_predictions_scored_in_batches_and_shuffled_give_identical_figures(
    sample: Callable, batch: int
) -> None:
    labels, scores = sample(9, images=200)
    patients = np.arange(200) // 3
    expected = metrics.evaluate(labels, scores, clusters=patients)
    order = np.random.default_rng(batch).permutation(200)
    parts = [order[start : start + batch] for start in range(0, 200, batch)]
    again = [np.concatenate([values[part] for part in parts]) for values in (labels, scores, patients)]
    assert metrics.evaluate(again[0], again[1], clusters=again[2]) == expected


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_no_figure_depends_on_the_order_of_the_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 3, 25), rng.dirichlet(np.ones(4), 25)
    order = rng.permutation(25)
    assert metrics.evaluate(labels, scores, resamples=50) == metrics.evaluate(
        labels[order], scores[order], resamples=50
    )


def test_figures_repeat_because_the_bootstrap_is_seeded(sample: Callable) -> None:
    assert metrics.evaluate(*sample(1)) == metrics.evaluate(*sample(1))


def test_a_class_that_never_occurs_is_left_out_of_the_mean() -> None:
    labels, probabilities = np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]])
    wider = np.hstack([probabilities, np.zeros((4, 3))])
    assert metrics.evaluate(labels, wider).macro_auroc == 1.0
    assert metrics.evaluate(labels, wider).balanced_accuracy == 1.0
    assert metrics.evaluate(labels, wider).balanced_accuracy_low == 1.0


def test_auroc_is_nan_when_no_class_has_both_sides() -> None:
    found = metrics.evaluate([1, 1], [[0.2, 0.8], [0.6, 0.4]])
    assert math.isnan(found.macro_auroc)
    assert (found.accuracy, found.balanced_accuracy, found.majority_rate) == (0.5, 0.5, 1.0)
    assert found.to_dict()["macro_auroc"] is None
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["n"] == 2


def test_a_row_with_nan_is_an_image_without_a_prediction(sample: Callable) -> None:
    labels, probabilities = sample(2)
    probabilities[[4, 9]] = np.nan
    found = metrics.evaluate(labels, probabilities)
    kept = np.delete(np.arange(len(labels)), [4, 9])
    assert found.unclassified == 2
    assert found.accuracy == metrics.evaluate(labels[kept], probabilities[kept]).accuracy
    assert "images without a prediction" in found.to_markdown()


def test_labels_alone_leave_the_figures_that_need_probabilities_undefined(sample: Callable) -> None:
    labels, probabilities = sample(6)
    predicted = probabilities.argmax(axis=1)
    predicted[0] = -1
    found = metrics.evaluate_labels(labels, predicted, 4)
    assert (found.n, found.unclassified) == (len(labels) - 1, 1)
    assert found.accuracy == pytest.approx((predicted[1:] == labels[1:]).mean())
    undefined = (found.top3_accuracy, found.top5_accuracy, found.macro_auroc, found.calibration_error)
    assert all(math.isnan(value) for value in undefined)


def test_markdown_has_three_decimals_and_intervals_and_says_units_where_they_are_not_the_images() -> None:
    rows = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.9, 0.1]]
    lines = metrics.evaluate([0, 1, 1, 0], rows).to_markdown().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "| accuracy " in lines[3] and "0.750 (" in lines[3]
    assert "| balanced accuracy " in lines[4] and "0.750 (" in lines[4]
    assert "patients or lesions" in metrics.evaluate([0, 1, 1, 0], rows, clusters=list("aabb")).to_markdown()


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


def test_clusters_have_one_entry_for_each_image() -> None:
    with pytest.raises(InputError, match="`clusters` to have one entry for each of 2 images"):
        metrics.evaluate([0, 1], [[1.0, 0.0]] * 2, clusters=["a"])
