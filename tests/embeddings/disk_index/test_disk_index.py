from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from zsderm.embeddings.disk_index import DiskIndex, Marks, build
from zsderm.embeddings.disk_index.card import CARD_FILE, CELLS_FILE, LISTS_FILE
from zsderm.embeddings.nearest_rows import WANTED_RECALL, recall_of
from zsderm.errors import CheckpointError, InputError

WIDTH = 16


def unit_rows(count: int, seed: int = 0) -> np.ndarray:
    """(n, 16) in forty clusters, so that cells mean something."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(40, WIDTH))
    points = centres[rng.integers(40, size=count)] + rng.normal(size=(count, WIDTH))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def marks(rows: np.ndarray) -> Marks:
    return Marks("a", "b", *rows.shape)


def exact(queries: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """The slow twin: every inner product, sorted."""
    return np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :k]


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return unit_rows(6000)


@pytest.fixture(scope="module")
def built(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    build(folder, rows, marks(rows), shard_rows=1000)
    return folder


def test_recall_of_queries_that_are_no_entries_is_what_the_card_says(rows: np.ndarray, built: Path) -> None:
    index = DiskIndex.load(built, marks(rows))
    assert index.card.cells > 100 and index.card.probes < index.card.cells
    assert index.card.recall >= WANTED_RECALL
    queries = unit_rows(300, seed=1)
    assert recall_of(index.search(queries, 10)[1], exact(queries, rows, 10)) >= WANTED_RECALL - 0.03


def test_scores_are_the_cosines_of_the_rows_and_fall(rows: np.ndarray, built: Path) -> None:
    queries = unit_rows(50, seed=2)
    scores, ids = DiskIndex.load(built, marks(rows)).search(queries, 7)
    np.testing.assert_allclose(scores, np.take_along_axis(queries @ rows.T, ids, 1), atol=1e-4)
    assert (np.diff(scores, axis=1) <= 0).all() and (scores.dtype, ids.dtype) == (np.float32, np.int64)


def test_an_index_that_looks_everywhere_equals_sorting_every_inner_product(tmp_path: Path) -> None:
    rows = unit_rows(200)
    index = build(tmp_path, rows, marks(rows))
    index.card = DiskIndex.load(tmp_path, marks(rows)).card
    queries = unit_rows(40, seed=3)
    found = index.search(queries, len(rows))[1]
    assert [sorted(of_query) for of_query in found.tolist()] == [list(range(200))] * 40
    assert recall_of(found[:, :5], exact(queries, rows, 5)) == pytest.approx(1, abs=0.02)  # float16 may swap a tie


@pytest.mark.parametrize("count", [1, 2, 5, 39, 90])
def test_tiny_sets_are_found_whole_and_k_is_clipped(tmp_path: Path, count: int) -> None:
    rows = unit_rows(count)
    index = build(tmp_path, rows, marks(rows), queries={"texts": unit_rows(4, seed=5)})
    scores, ids = index.search(rows, 1000)
    assert len(index) == count and ids.shape == scores.shape == (count, count)
    assert sorted(ids[0].tolist()) == list(range(count)) and (ids[:, 0] == np.arange(count)).all()


def test_k_beyond_the_cells_that_are_looked_into_looks_into_more(rows: np.ndarray, built: Path) -> None:
    index = DiskIndex.load(built, marks(rows))
    ids = index.search(unit_rows(3, seed=6), 5000)[1]
    assert all(len(set(of_query)) == 5000 for of_query in ids.tolist())


def test_rows_that_failed_are_never_found(tmp_path: Path) -> None:
    rows = unit_rows(3000)
    gone = np.random.default_rng(7).permutation(3000)[:400]
    rows[gone] = np.nan
    index = build(tmp_path, rows, marks(rows), shard_rows=700)
    assert len(index) == 2600
    ids = index.search(unit_rows(5, seed=8), 3000)[1]
    assert ids.shape == (5, 2600) and not set(ids.ravel().tolist()) & set(gone.tolist())


def test_rows_of_which_all_failed_are_refused(tmp_path: Path) -> None:
    rows = np.full((50, WIDTH), np.nan, np.float32)
    with pytest.raises(InputError, match="not NaN"):
        build(tmp_path, rows, marks(rows))


def test_the_card_tells_recall_by_kind_and_the_least_of_them(tmp_path: Path, rows: np.ndarray) -> None:
    card = build(tmp_path, rows, marks(rows), queries={"texts": unit_rows(60, seed=9)}).card
    assert card.recalls is not None and set(card.recalls) == {"beside a row", "texts"}
    assert card.recall == min(card.recalls.values()) >= WANTED_RECALL


def test_queries_of_another_width_are_refused(rows: np.ndarray, built: Path) -> None:
    index = DiskIndex.load(built, marks(rows))
    for queries, k, reason in ((np.ones((1, 8)), 3, "width 16"), (unit_rows(1), 0, "at least 1")):
        with pytest.raises(InputError, match=reason):
            index.search(queries, k)
    assert index.search(np.empty((0, WIDTH), np.float32), 3)[1].shape == (0, 3)


@pytest.mark.parametrize(
    "other", [Marks("c", "b", 6000, WIDTH), Marks("a", "c", 6000, WIDTH), Marks("a", "b", 5999, WIDTH)]
)
def test_an_index_of_other_rows_is_refused_and_built_again(tmp_path: Path, rows: np.ndarray, other: Marks) -> None:
    build(tmp_path, rows, marks(rows))
    with pytest.raises(CheckpointError, match="other rows"):
        DiskIndex.load(tmp_path, other)
    again = build(tmp_path, unit_rows(other.rows, seed=11), other)
    assert len(again) == other.rows and DiskIndex.load(tmp_path, other).card == again.card
    assert {path.name for path in tmp_path.iterdir()} == {CARD_FILE, CELLS_FILE, LISTS_FILE, "lock"}


@pytest.mark.parametrize("name", [CARD_FILE, CELLS_FILE, LISTS_FILE])
def test_a_damaged_file_is_refused_before_faiss_sees_it(tmp_path: Path, rows: np.ndarray, name: str) -> None:
    build(tmp_path, rows[:1000], marks(rows[:1000]))
    path, random = tmp_path / name, np.random.default_rng(1)
    content = path.read_bytes()
    place = int(random.integers(len(content)))
    flipped = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
    for spoiled in (b"", content[: len(content) // 2], b"[" * 10**6, flipped, content + b"x"):
        path.write_bytes(spoiled)
        with pytest.raises(CheckpointError, match="Build it"):
            DiskIndex.load(tmp_path, marks(rows[:1000]))
    path.unlink()
    with pytest.raises(CheckpointError, match="Build it"):
        DiskIndex.load(tmp_path, marks(rows[:1000]))


def test_lists_that_were_copied_are_held_against_their_digest_once(tmp_path: Path, rows: np.ndarray) -> None:
    build(tmp_path, rows[:1000], marks(rows[:1000]))
    lists = tmp_path / LISTS_FILE
    os.utime(lists, ns=(1, 1))  # as a copy has another time
    assert DiskIndex.load(tmp_path, marks(rows[:1000])).card.changed == 1
    content = bytearray(lists.read_bytes())
    content[5] ^= 255
    lists.write_bytes(content)
    os.utime(lists, ns=(2, 2))
    with pytest.raises(CheckpointError, match="checksum"):
        DiskIndex.load(tmp_path, marks(rows[:1000]))


def test_ids_that_there_are_not_are_damage_even_where_no_digest_was_looked_at(tmp_path: Path, rows: np.ndarray) -> None:
    build(tmp_path, rows[:1000], marks(rows[:1000]))
    lists = tmp_path / LISTS_FILE
    status = lists.stat()
    lists.write_bytes(b"\x7f" * status.st_size)
    os.utime(lists, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(CheckpointError, match="damaged"):
        DiskIndex.load(tmp_path, marks(rows[:1000])).search(unit_rows(3, seed=4), 5)
