from __future__ import annotations

import numpy as np
import pytest

from zsderm.errors import SettingsError
from zsderm.tasks.probe import draw_shots

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2, -1])
PATIENTS = np.array(["a", "a", "b", "", "b", "c", "c", "d", "e"], dtype=object)


@pytest.mark.parametrize("seed", range(20))
def test_k_images_of_each_class_of_as_many_patients_as_there_are(seed: int) -> None:
    drawn = draw_shots(LABELS, 2, np.random.default_rng(seed), PATIENTS)
    assert np.bincount(LABELS[drawn]).tolist() == [2, 2, 1]  # a class with fewer gives all it has
    for label in range(3):
        names = [PATIENTS[row] or row for row in drawn if LABELS[row] == label]
        assert len(set(names)) == len(names)


def test_patients_give_a_second_image_only_when_all_have_given_one() -> None:
    for seed in range(20):
        drawn = draw_shots(LABELS, 3, np.random.default_rng(seed), PATIENTS)
        first = [row for row in drawn if LABELS[row] == 0]
        assert {2, 3} < set(first) and len(first) == 3  # b and the image of nobody, and one of the two of a


def test_draws_are_seeded_and_differ_from_each_other() -> None:
    labels = np.repeat(np.arange(3), 50)
    first, again = (draw_shots(labels, 4, np.random.default_rng(7)).tolist() for _ in range(2))
    assert first == again == sorted(set(first)) != draw_shots(labels, 4, np.random.default_rng(8)).tolist()


def test_k_is_at_least_1() -> None:
    with pytest.raises(SettingsError, match="at least 1"):
        draw_shots(LABELS, 0, np.random.default_rng(0))
