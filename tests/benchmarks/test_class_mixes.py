"""The folders that are drawn hold the mixes they claim."""

from __future__ import annotations

import numpy as np

from zsderm.benchmarks.class_mixes import LARGEST_CLASS, class_mixes

LABELS = np.array([2] * 9 + [1] * 6 + [0] * 2)


def test_folders_hold_the_mixes_they_claim() -> None:
    labels = np.repeat([0, 1, 2, 3], [100, 30, 7, 4])
    drawn = list(class_mixes(labels, seeds=3))
    by_mix = {mix: [labels[folder.rows] for folder in drawn if folder.kind == mix] for mix in {f.kind for f in drawn}}
    assert [len(part) for part in by_mix["natural"]] == [141]
    assert [np.bincount(part).tolist() for part in by_mix["balanced"]] == [[4, 4, 4, 4]] * 3
    assert [np.bincount(part).tolist() for part in by_mix["capped"]] == [[LARGEST_CLASS, 30, 7, 4]] * 3
    assert [set(part) for part in by_mix["one class"]] == [{0}, {1}, {2}]  # four images are too few
    assert all(len(set(folder.rows)) == len(folder.rows) for folder in drawn)


def test_a_cap_that_leaves_nothing_out_draws_no_folder() -> None:
    mixes = [folder.kind for folder in class_mixes(np.repeat([0, 1], [9, 6]), seeds=2)]
    assert mixes == ["natural", "balanced", "balanced", "one class", "one class"]


def test_folders_depend_on_the_seed_alone() -> None:
    labels = np.repeat([0, 1], [50, 20])
    for one, again in zip(class_mixes(labels, 2), class_mixes(labels, 2), strict=True):
        assert np.array_equal(one.rows, again.rows)


def test_the_natural_mix_comes_first_and_is_everything() -> None:
    first = next(class_mixes(LABELS, seeds=1))
    assert first.kind == "natural" and first.rows.tolist() == list(range(17))


def test_balanced_subsets_hold_every_class_that_occurs_alike() -> None:
    balanced = [mix for mix in class_mixes(LABELS, seeds=3) if mix.kind == "balanced"]
    assert len({tuple(mix.rows) for mix in balanced}) == 3 and [mix.number for mix in balanced] == [0, 1, 2]
    for mix in balanced:
        assert np.bincount(LABELS[mix.rows], minlength=4).tolist() == [2, 2, 2, 0]


def test_a_folder_of_one_class_holds_all_of_it_unless_it_is_tiny() -> None:
    single = {mix.number: mix.rows for mix in class_mixes(LABELS, seeds=0) if mix.kind == "one class"}
    assert {number: len(rows) for number, rows in single.items()} == {2: 9, 1: 6}
    assert set(LABELS[single[2]]) == {2}
