from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from zsderm import metrics


@pytest.fixture
def people(sample: Callable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels, scores = sample(1, images=120)
    return labels, scores, np.array(["I"] * 60 + ["IV"] * 40 + ["VI"] * 5 + [""] * 15)


def test_each_group_has_the_figures_of_its_own_images(people: tuple) -> None:
    labels, scores, groups = people
    found = metrics.by_group(labels, scores, groups)
    assert list(found.groups) == ["I", "IV", "VI"] and found.unknown == 15
    assert found.groups["IV"] == metrics.evaluate(labels[60:100], scores[60:100])


def test_images_of_an_unknown_group_and_groups_without_a_prediction_are_told(people: tuple) -> None:
    labels, scores, groups = people
    scores = scores.copy()
    scores[100:105] = np.nan  # nobody of the smallest group has a prediction
    found = metrics.by_group(labels, scores, groups)
    assert found.of_unknown == metrics.evaluate(labels[105:], scores[105:]) and found.unanswered == {"VI": 5}
    assert found.to_dict()["of_unknown"]["n"] == 15 and "VI" not in found.groups
    assert metrics.by_group(labels[:60], scores[:60], groups[:60]).of_unknown is None


def test_names_alone_have_no_figures_of_probabilities(people: tuple) -> None:
    labels, scores, groups = people
    found = metrics.by_group(labels, np.eye(4)[scores.argmax(axis=1)], groups, named_only=True)
    for group in (*found.groups.values(), found.of_unknown):
        figures = group.to_dict()
        assert all(figures[name] is None for name in ("top3_accuracy", "macro_auroc", "calibration_error"))
    assert found.to_dict()["gap"]["calibration_error"] is None and found.gap() == metrics.by_group(*people).gap()


def test_the_gap_is_between_the_best_and_the_worst_group_that_is_large_enough(people: tuple) -> None:
    labels, scores, groups = people
    scores = scores.copy()
    scores[100:105] = 1 - np.eye(4)[labels[100:105]]  # every answer of the smallest group is wrong
    found = metrics.by_group(labels, scores, groups)
    accuracies = {name: group.accuracy for name, group in found.groups.items()}
    assert found.gap() == pytest.approx(abs(accuracies["I"] - accuracies["IV"]))
    assert metrics.by_group(labels, scores, groups, least=5).gap() > found.gap()


def test_groups_that_differ_by_chance_only_are_not_far_from_the_gap_by_chance() -> None:
    rng = np.random.default_rng(0)
    labels, groups = np.zeros(400, int), np.array(["a", "b", "c", "d"]).repeat(100)
    scores = np.eye(2)[(rng.random(400) < 0.3).astype(int)]
    found = metrics.by_group(labels, scores, groups)
    assert found.gap_by_chance == pytest.approx(found.gap(), abs=0.1) and found.p > 0.05
    scores[:100] = np.eye(2)[1]  # one group all wrong
    assert metrics.by_group(labels, scores, groups).p < 0.01


def test_the_gap_by_chance_agrees_with_shuffling_the_groups(people: tuple) -> None:
    labels, scores, groups = people
    correct, rng = scores[:100].argmax(axis=1) == labels[:100], np.random.default_rng(1)
    gaps = []
    for _ in range(2000):
        shuffled = rng.permutation(correct)
        gaps.append(abs(shuffled[:60].mean() - shuffled[60:].mean()))
    assert metrics.by_group(labels, scores, groups).gap_by_chance == pytest.approx(np.mean(gaps), abs=0.01)


def test_none_depends_on_the_order_of_the_images(people: tuple) -> None:
    order = np.random.default_rng(3).permutation(120)
    shuffled = [values[order] for values in people]
    assert metrics.by_group(*shuffled).to_dict() == metrics.by_group(*people).to_dict()


def test_one_group_has_no_gap_and_json_says_null(people: tuple) -> None:
    labels, scores, _ = people
    found = metrics.by_group(labels, scores, ["x"] * 120)
    assert math.isnan(found.gap())
    shown = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert shown["gap"]["accuracy"] is None and shown["p"] is None and shown["groups"]["x"]["n"] == 120


def test_a_group_without_a_prediction_is_left_out(people: tuple) -> None:
    labels, scores, groups = people
    scores = scores.copy()
    scores[100:105] = np.nan
    assert "VI" not in metrics.by_group(labels, scores, groups).groups


def test_ages_fall_into_bands_and_a_missing_one_into_none() -> None:
    bands = metrics.age_bands([0, 29.5, 30, 69, 70, 85, None, math.nan, -1, 999])
    assert bands.tolist() == ["0–29", "0–29", "30–49", "50–69", "70+", "70+", "", "", "", ""]
