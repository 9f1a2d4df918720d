from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from zsderm import metrics
from zsderm.errors import InputError


@pytest.fixture
def pair(sample: Callable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, a method, and the same method with a third of its answers made right."""
    labels, first = sample(1, images=150)
    second = first.copy()
    second[::3] = np.eye(4)[labels[::3]]
    return labels, first, second


def test_a_method_that_is_right_more_often_has_an_interval_above_zero(pair: tuple) -> None:
    found = metrics.compare(*pair)
    labels, first, second = pair
    gain = metrics.evaluate(labels, second).accuracy - metrics.evaluate(labels, first).accuracy
    assert found.accuracy.value == pytest.approx(gain)
    assert 0 < found.accuracy.low < gain < found.accuracy.high and found.accuracy.p < 0.01
    assert found.balanced_accuracy.low > 0 and found.macro_f1.low > 0


def test_swapping_the_two_turns_every_sign_and_leaves_every_p_as_it_is(pair: tuple) -> None:
    labels, first, second = pair
    ahead, back = metrics.compare(labels, first, second), metrics.compare(labels, second, first)
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        one, other = getattr(ahead, name), getattr(back, name)
        assert (one.value, one.p) == pytest.approx((-other.value, other.p), abs=0.02)
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=0.03)


def test_a_method_does_not_differ_from_itself(pair: tuple) -> None:
    found = metrics.compare(pair[0], pair[1], pair[1])
    assert (found.accuracy.value, found.accuracy.low, found.accuracy.high, found.accuracy.p) == (0, 0, 0, 1)


def test_pairing_makes_the_interval_narrower_than_two_apart(pair: tuple) -> None:
    labels, first, second = pair
    paired = metrics.compare(labels, first, second).accuracy
    apart = [metrics.evaluate(labels, rows) for rows in (first, second)]
    assert paired.high - paired.low < sum(one.accuracy_high - one.accuracy_low for one in apart) / 2**0.5


def test_only_images_that_both_answered_count(pair: tuple) -> None:
    labels, first, second = (rows.copy() for rows in pair)
    first[:10], second[5:20] = np.nan, np.nan
    assert metrics.compare(labels, first, second).n == 130


def test_neither_order_nor_names_of_patients_matter(pair: tuple) -> None:
    patients, order = np.arange(150) // 2, np.random.default_rng(0).permutation(150)
    shuffled = [rows[order] for rows in pair]
    expected = metrics.compare(*pair, clusters=patients)
    assert metrics.compare(*shuffled, clusters=[f"p{p}" for p in patients[order]]) == expected
    assert expected.units == 75


def test_one_patient_gives_no_interval_and_json_says_null(pair: tuple) -> None:
    shown = json.loads(json.dumps(metrics.compare(*pair, clusters=["a"] * 150).to_dict(), allow_nan=False))
    assert shown["units"] == 1 and shown["accuracy"]["p"] is None and shown["accuracy"]["value"] > 0


def test_methods_over_other_classes_or_without_a_common_image_are_refused(pair: tuple) -> None:
    labels, first, second = pair
    with pytest.raises(InputError, match="over the same classes"):
        metrics.compare(labels, first, np.hstack([second, second]))
    with pytest.raises(InputError, match="none among 150"):
        metrics.compare(labels, first, np.full_like(first, np.nan))
