from __future__ import annotations

import numpy as np
import pytest

from zsderm import InputError
from zsderm.embeddings.class_index import ClassIndex

RAGGED = [5, 1, 3, 12, 0, 7]  # descriptions per class


def unit_rows(rng: np.random.Generator, count: int, width: int = 16) -> np.ndarray:
    rows = rng.normal(size=(count, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def entries() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    classes = rng.permutation(np.repeat(np.arange(len(RAGGED)), RAGGED))  # interleaved, as a merged base may be
    return unit_rows(rng, len(classes)), classes


@pytest.fixture
def index(entries) -> ClassIndex:
    return ClassIndex.build(*entries)


def reference_top_k(features, classes, queries, class_index, k):
    """The slow obvious way: score everything, leave the other classes out, sort."""
    rows = [row for row, owner in enumerate(classes) if owner == class_index]
    best = [sorted(rows, key=lambda row: -float(query @ features[row]))[:k] for query in queries]
    scores = [[float(query @ features[row]) for row in kept] for query, kept in zip(queries, best, strict=True)]
    shape = (len(queries), min(k, len(rows)))
    return np.array(scores).reshape(shape), np.array(best, dtype=np.int64).reshape(shape)


@pytest.mark.parametrize("class_index", range(len(RAGGED)))
@pytest.mark.parametrize("k", [1, 3, 100])
@pytest.mark.parametrize("query_count", [1, 40])  # FAISS takes another road from 20 queries on
def test_top_k_equals_numpy_top_k(entries, index, class_index, k, query_count):
    queries = unit_rows(np.random.default_rng(1), query_count)
    scores, rows = index.top_k(queries, class_index, k)
    expected_scores, expected_rows = reference_top_k(*entries, queries, class_index, k)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)


@pytest.mark.parametrize("k", [1, 3, 6, 100])
def test_k_is_clipped_per_class_and_never_globally(entries, index, k):
    queries = entries[0][:4]
    for class_index, count in enumerate(RAGGED):
        scores, rows = index.top_k(queries, class_index, k)
        assert scores.shape == rows.shape == (4, min(k, count))


def test_k_does_not_shrink_after_a_class_with_one_description(entries, index):
    index.top_k(entries[0], class_index=1, k=5)
    assert index.top_k(entries[0], class_index=3, k=5)[1].shape == (len(entries[0]), 5)


def test_rows_belong_to_the_class_and_scores_fall(entries, index):
    features, classes = entries
    scores, rows = index.top_k(features, class_index=3, k=12)
    assert (classes[rows] == 3).all()
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len(set(kept)) == 12 for kept in rows.tolist())


def test_scores_are_the_cosines_of_the_rows(entries, index):
    features, _ = entries
    queries = unit_rows(np.random.default_rng(2), 5)
    scores, rows = index.top_k(queries, class_index=0, k=4)
    np.testing.assert_allclose(scores, np.einsum("qd,qkd->qk", queries, features[rows]), atol=1e-6)
    assert (scores.dtype, rows.dtype) == (np.float32, np.int64)


def test_a_description_finds_itself_first(entries, index):
    features, classes = entries
    for row, owner in enumerate(classes):
        scores, rows = index.top_k(features[row : row + 1], int(owner), 1)
        assert rows[0, 0] == row
        assert scores[0, 0] == pytest.approx(1, abs=1e-5)


def test_one_query_alone_gets_what_it_gets_among_others(entries, index):
    queries = unit_rows(np.random.default_rng(3), 30)
    scores, rows = index.top_k(queries, 3, 5)
    alone_scores, alone_rows = index.top_k(queries[7:8], 3, 5)
    np.testing.assert_array_equal(alone_rows[0], rows[7])
    np.testing.assert_allclose(alone_scores[0], scores[7], atol=1e-6)


def test_equal_descriptions_are_both_returned():
    row = unit_rows(np.random.default_rng(4), 1)
    scores, rows = ClassIndex.build(np.repeat(row, 3, axis=0), [0, 0, 0]).top_k(row, 0, 2)
    assert len(set(rows[0].tolist())) == 2
    np.testing.assert_allclose(scores, 1, atol=1e-5)


def test_a_class_without_descriptions_gives_no_rows(entries, index):
    for class_index in (4, 99):
        scores, rows = index.top_k(entries[0][:2], class_index, 3)
        assert scores.shape == rows.shape == (2, 0)


def test_no_queries_give_no_rows(index):
    assert index.top_k(np.empty((0, 16), np.float32), 0, 3)[1].shape == (0, 3)


def test_the_length_is_the_number_of_descriptions(index):
    assert len(index) == sum(RAGGED)
    assert [index.count(class_index) for class_index in range(len(RAGGED))] == RAGGED


def test_arguments_are_never_changed(entries):
    features, classes = entries[0].copy(), entries[1].copy()
    index = ClassIndex.build(features, classes)
    index.top_k(features, 0, 2)
    np.testing.assert_array_equal(features, entries[0])
    np.testing.assert_array_equal(classes, entries[1])


@pytest.mark.parametrize(
    ("features", "classes", "reason"),
    [
        (np.eye(3), [0, 1], r"`classes` to have shape \(3,\), one per row, but got \(2,\)"),
        (np.ones(3), [0, 0, 0], "two dimensions"),
        (2 * np.eye(3), [0, 1, 2], "unit rows, but one has length 2"),
        (np.full((2, 2), np.nan), [0, 1], "`features` to be finite"),
    ],
)
def test_features_that_cannot_be_indexed_are_an_error(features, classes, reason):
    with pytest.raises(InputError, match=reason):
        ClassIndex.build(features, classes)


@pytest.mark.parametrize(
    ("queries", "k", "reason"),
    [
        (np.ones((1, 8)), 3, "`queries` to have width 16, but got 8"),
        (np.ones((1, 16)), 0, "`k` to be at least 1, but got 0"),
        (np.full((1, 16), np.nan), 3, "`queries` to be finite"),
        (np.ones(16), 3, "two dimensions"),
    ],
)
def test_queries_that_cannot_be_answered_are_an_error(index, queries, k, reason):
    with pytest.raises(InputError, match=reason):
        index.top_k(queries, 0, k)
