from __future__ import annotations

import hashlib
import json
from pathlib import Path

import faiss
import numpy as np
import pytest

from zsderm import CheckpointError, InputError
from zsderm.embeddings.vector_index import CARD_FILE, INDEX_FILE, WANTED_RECALL, ClassIndex, VectorIndex, recall_of


def rows(count: int, width: int = 16, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def exact(queries: np.ndarray, entries: np.ndarray, k: int) -> np.ndarray:
    """The slow twin: every inner product, sorted."""
    return np.argsort(-(queries @ entries.T), axis=1, kind="stable")[:, :k]


def test_a_flat_index_equals_sorting_every_inner_product() -> None:
    entries, queries = rows(300), rows(20, seed=1)
    scores, ids = VectorIndex.build(entries).search(queries, 7)
    np.testing.assert_array_equal(ids, exact(queries, entries, 7))
    np.testing.assert_allclose(scores, np.take_along_axis(queries @ entries.T, ids, 1), rtol=1e-5)


def test_an_inverted_file_reaches_the_recall_that_its_card_states() -> None:
    entries = rows(4000)
    index = VectorIndex.build(entries, kind="ivf")
    queries = rows(200, seed=2)
    assert index.card.kind == "ivf" and index.card.recall >= WANTED_RECALL
    assert recall_of(index.search(queries, 10)[1], exact(queries, entries, 10)) >= WANTED_RECALL - 0.1


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_entries_are_found_by_their_own_ids(kind: str) -> None:
    entries = rows(2000)
    index = VectorIndex.build(entries, np.arange(2000) + 10, kind=kind)
    assert len(index) == 2000
    assert index.search(entries[1999:], 1)[1].item() == 2009
    assert sorted(index.ids) == [*range(10, 2010)]


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_what_is_saved_is_loaded(tmp_path: Path, kind: str) -> None:
    index = VectorIndex.build(rows(1000), kind=kind, checksum="c", fingerprint="f")
    index.save(tmp_path)
    loaded = VectorIndex.load(tmp_path, checksum="c", fingerprint="f")
    assert loaded.card == index.card and len(loaded) == 1000
    for mine, theirs in zip(index.search(rows(5, seed=3), 4), loaded.search(rows(5, seed=3), 4), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert {path.name for path in tmp_path.iterdir()} == {INDEX_FILE, CARD_FILE}


def test_an_index_of_another_base_or_encoder_is_refused(tmp_path: Path) -> None:
    VectorIndex.build(rows(10), checksum="c", fingerprint="f").save(tmp_path)
    with pytest.raises(CheckpointError, match="another base"):
        VectorIndex.load(tmp_path, checksum="d")
    with pytest.raises(CheckpointError, match="another encoder"):
        VectorIndex.load(tmp_path, fingerprint="g")


def test_a_missing_or_damaged_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no index"):
        VectorIndex.load(tmp_path)
    VectorIndex.build(rows(10)).save(tmp_path)
    (tmp_path / INDEX_FILE).write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="damaged"):
        VectorIndex.load(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"features": np.zeros((0, 4))}, "at least one"),
        ({"features": np.full((2, 4), np.nan)}, "finite"),
        ({"features": rows(3), "ids": [1, 1, 2]}, "distinct"),
        ({"features": rows(3), "kind": "hnsw"}, "kind"),
    ],
)
def test_what_cannot_be_indexed_is_refused(arguments: dict, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        VectorIndex.build(**arguments)


def test_queries_of_another_width_are_refused() -> None:
    index = VectorIndex.build(rows(10))
    with pytest.raises(InputError, match="width"):
        index.search(rows(1, width=8), 1)
    with pytest.raises(InputError, match="k"):
        index.search(rows(1), 0)


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


def resave(folder: Path, index: object) -> None:
    """Put another FAISS index in the place of the saved one, with the checksum that belongs to it."""
    faiss.write_index(index, str(folder / "entries.faiss"))
    card = json.loads((folder / "entries.json").read_text())
    card["digest"] = hashlib.sha256((folder / "entries.faiss").read_bytes()).hexdigest()
    (folder / "entries.json").write_text(json.dumps(card))


def with_ids(entries: np.ndarray, ids: np.ndarray, kind: type = faiss.IndexIDMap2) -> object:
    index = kind(faiss.IndexFlatIP(entries.shape[1]))
    index.add_with_ids(entries, ids)
    return index


@pytest.mark.parametrize(
    "index",
    [
        with_ids(rows(10) * 3, np.arange(10)),
        with_ids(rows(10) * np.float32("nan"), np.arange(10)),
        with_ids(rows(10), np.zeros(10, np.int64)),
        with_ids(rows(10), np.arange(10) - 4),
        with_ids(rows(9), np.arange(9)),
        with_ids(rows(10)[:, :4].copy(), np.arange(10)),
        with_ids(rows(10), np.arange(10), faiss.IndexIDMap),
        faiss.IndexFlatL2(16),
    ],
    ids=["long", "nan", "one id", "below 0", "fewer", "narrow", "another map", "another kind"],
)
def test_entries_that_were_not_built_here_are_refused(tmp_path: Path, index: object) -> None:
    VectorIndex.build(rows(10)).save(tmp_path)
    resave(tmp_path, index)
    with pytest.raises(CheckpointError, match="Build it again"):
        VectorIndex.load(tmp_path)


@pytest.mark.parametrize("kind", ["flat", "ivf"])
@pytest.mark.parametrize("file", ["entries.faiss", "entries.json"])
def test_a_damaged_index_is_refused_before_faiss_sees_it(tmp_path: Path, kind: str, file: str) -> None:
    VectorIndex.build(rows(1000), kind=kind).save(tmp_path)
    path, random = tmp_path / file, np.random.default_rng(1)
    content = path.read_bytes()
    for spoiled in (b"", content[: len(content) // 2], b"[" * 10**6, _flipped(content, random), content + b"x"):
        path.write_bytes(spoiled)
        with pytest.raises(CheckpointError, match="Build it"):
            VectorIndex.load(tmp_path)


def _flipped(content: bytes, random: np.random.Generator) -> bytes:
    place = int(random.integers(len(content)))
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
