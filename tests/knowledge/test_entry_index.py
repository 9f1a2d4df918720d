from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zsderm import CheckpointError, InputError
from zsderm.knowledge.entry_index import CARD_FILE, INDEX_FILE, WANTED_RECALL, EntryIndex, recall_of


def rows(count: int, width: int = 16, seed: int = 0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def exact(queries: np.ndarray, entries: np.ndarray, k: int) -> np.ndarray:
    """The slow twin: every inner product, sorted."""
    return np.argsort(-(queries @ entries.T), axis=1, kind="stable")[:, :k]


def test_a_flat_index_equals_sorting_every_inner_product() -> None:
    entries, queries = rows(300), rows(20, seed=1)
    scores, ids = EntryIndex.build(entries).search(queries, 7)
    np.testing.assert_array_equal(ids, exact(queries, entries, 7))
    np.testing.assert_allclose(scores, np.take_along_axis(queries @ entries.T, ids, 1), rtol=1e-5)


def test_an_inverted_file_reaches_the_recall_that_its_card_states() -> None:
    entries = rows(4000)
    index = EntryIndex.build(entries, kind="ivf")
    queries = rows(200, seed=2)
    assert index.card.kind == "ivf" and index.card.recall >= WANTED_RECALL
    assert recall_of(index.search(queries, 10)[1], exact(queries, entries, 10)) >= WANTED_RECALL - 0.1


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_entries_are_added_and_removed_without_building_anew(kind: str) -> None:
    entries = rows(2000)
    index = EntryIndex.build(entries[:1500], np.arange(1500) + 10, kind=kind)
    index.add(entries[1500:], np.arange(1500, 2000) + 10)
    assert len(index) == 2000
    assert index.search(entries[1999:], 1)[1].item() == 2009
    assert index.remove([2009, 99999]) == 1
    assert index.search(entries[1999:], 1)[1].item() != 2009
    assert sorted(index.ids) == [*range(10, 2009)]


@pytest.mark.parametrize("kind", ["flat", "ivf"])
@pytest.mark.parametrize("mapped", [True, False])
def test_what_is_saved_is_loaded(tmp_path: Path, kind: str, mapped: bool) -> None:
    index = EntryIndex.build(rows(1000), kind=kind, checksum="c", fingerprint="f")
    index.save(tmp_path)
    loaded = EntryIndex.load(tmp_path, checksum="c", fingerprint="f", mapped=mapped)
    assert loaded.card == index.card and len(loaded) == 1000
    for mine, theirs in zip(index.search(rows(5, seed=3), 4), loaded.search(rows(5, seed=3), 4), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert {path.name for path in tmp_path.iterdir()} == {INDEX_FILE, CARD_FILE}
    if mapped:
        with pytest.raises(InputError, match="mapped=False"):
            loaded.remove([1])
    else:
        assert loaded.remove([1]) == 1


def test_an_index_of_another_base_or_encoder_is_refused(tmp_path: Path) -> None:
    EntryIndex.build(rows(10), checksum="c", fingerprint="f").save(tmp_path)
    with pytest.raises(CheckpointError, match="another base"):
        EntryIndex.load(tmp_path, checksum="d")
    with pytest.raises(CheckpointError, match="another encoder"):
        EntryIndex.load(tmp_path, fingerprint="g")


def test_a_missing_or_damaged_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no index"):
        EntryIndex.load(tmp_path)
    EntryIndex.build(rows(10)).save(tmp_path)
    (tmp_path / INDEX_FILE).write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="damaged"):
        EntryIndex.load(tmp_path)


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
        EntryIndex.build(**arguments)


def test_ids_that_are_taken_and_queries_of_another_width_are_refused() -> None:
    index = EntryIndex.build(rows(10))
    with pytest.raises(InputError, match="taken"):
        index.add(rows(1), [3])
    with pytest.raises(InputError, match="width"):
        index.search(rows(1, width=8), 1)
    with pytest.raises(InputError, match="k"):
        index.search(rows(1), 0)
