from __future__ import annotations

import hashlib
import json
from pathlib import Path

import faiss
import numpy as np
import pytest

from zsderm import CheckpointError, InputError
from zsderm.embeddings.nearest_rows import WANTED_RECALL, recall_of
from zsderm.embeddings.vector_index import CARD_FILE, INDEX_FILE, VectorIndex


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
