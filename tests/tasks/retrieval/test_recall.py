from __future__ import annotations

import json

import numpy as np
import pytest

from zsderm import InputError
from zsderm.tasks.retrieval import recall
from zsderm.tasks.retrieval.recall import chance_recall, first_ranks, recall_both_ways


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """60 images, 12 captions: five images share each, and every tenth image has a second caption."""
    rng = np.random.default_rng(0)
    captions = _unit(rng.normal(size=(12, 16)))
    owner = np.arange(60) % 12
    images = _unit(captions[owner] + rng.normal(size=(60, 16)) * 0.6)
    second = [(image, (owner[image] + 1) % 12) for image in range(0, 60, 10)]
    return images, captions, np.array([*enumerate(owner), *second])


def _slow_ranks(queries: np.ndarray, candidates: np.ndarray, pairs: np.ndarray) -> list[int]:
    ranks = []
    for query, row in enumerate(queries @ candidates.T):
        right = set(pairs[pairs[:, 0] == query][:, 1])
        order = np.argsort(-row, kind="stable")
        ranks.append(
            next(sum(c not in right for c in order[:place]) for place, c in enumerate(order) if c in right) + 1
        )
    return ranks


def test_ranks_equal_sorting_every_row(case) -> None:
    images, captions, pairs = case
    assert first_ranks(images, captions, pairs).tolist() == _slow_ranks(images, captions, pairs)
    assert first_ranks(captions, images, pairs[:, ::-1]).tolist() == _slow_ranks(captions, images, pairs[:, ::-1])


def test_blocks_of_any_size_give_the_same_ranks(case, monkeypatch: pytest.MonkeyPatch) -> None:
    images, captions, pairs = case
    expected = first_ranks(images, captions, pairs)
    for block in (1, 12 * 7, 10_000):
        monkeypatch.setattr(recall, "LARGEST_BLOCK", block)
        np.testing.assert_array_equal(first_ranks(images, captions, pairs[::-1]), expected)


def test_every_image_with_an_equal_caption_counts(case) -> None:
    images, captions, pairs = case
    report = recall_both_ways(images, captions, pairs)
    ranks = np.array(_slow_ranks(captions, images, pairs[:, ::-1]))
    backward = report.directions[1]
    assert [figure.recall for figure in backward.figures] == [(ranks <= k).mean() for k in recall.CUTOFFS]
    assert (report.images, report.captions, report.rows, report.shared) == (60, 12, 66, 66)
    assert "Equal captions count once" in report.to_markdown()


def test_a_cutoff_beyond_the_candidates_finds_everything_as_chance_does(case) -> None:
    forward = recall_both_ways(*case).directions[0]
    last = forward.figures[-1]
    assert (last.k, last.recall, last.chance) == (100, 1.0, 1.0) and forward.candidates == 12


def test_chance_equals_shuffling() -> None:
    rng, candidates, k = np.random.default_rng(0), 20, 5
    positives = np.array([1, 1, 3, 16])
    drawn = [[(rng.permutation(candidates)[:k] < p).any() for p in positives] for _ in range(4000)]
    assert chance_recall(positives, candidates, k) == pytest.approx(np.mean(drawn), abs=0.01)
    assert chance_recall(np.array([1]), candidates, k) == pytest.approx(k / candidates)


def test_an_encoder_that_gives_one_row_to_everything_earns_nothing() -> None:
    same = np.tile(_unit(np.ones((1, 4))), (10, 1))
    pairs = np.stack([np.arange(10), np.arange(10)], axis=1)
    assert first_ranks(same, same, pairs).tolist() == [10] * 10


def test_random_features_stay_near_chance() -> None:
    rng = np.random.default_rng(0)
    pairs = np.stack([np.arange(2000), np.arange(2000) % 500], axis=1)
    report = recall_both_ways(_unit(rng.normal(size=(2000, 16))), _unit(rng.normal(size=(500, 16))), pairs)
    for way in report.directions:
        for figure in way.figures:
            assert figure.recall == pytest.approx(figure.chance, abs=0.04)
            assert figure.low <= figure.recall <= figure.high


def test_repeated_rows_change_nothing(case) -> None:
    images, captions, pairs = case
    assert recall_both_ways(images, captions, np.concatenate([pairs, pairs])) == recall_both_ways(*case)


def test_the_figures_are_ready_for_json(case) -> None:
    content = json.loads(json.dumps(recall_both_ways(*case).to_dict()))
    assert [way["name"] for way in content["directions"]] == ["image to text", "text to image"]


def test_pairs_and_cutoffs_that_make_no_sense_are_refused(case) -> None:
    images, captions, pairs = case
    with pytest.raises(InputError, match="at least 1"):
        recall_both_ways(images, captions, pairs, cutoffs=(0, 1))
    with pytest.raises(InputError, match="every image in a pair"):
        recall_both_ways(images, captions, pairs[1:-6])
    with pytest.raises(InputError, match="every caption in a pair"):
        recall_both_ways(images, captions[:-1], pairs)
