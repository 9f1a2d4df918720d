from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zsderm.embeddings import DatasetFolder, ImageEmbeddings, StoredEmbeddings, read_embeddings
from zsderm.embeddings.row_blocks import blocks_of, names_of, rows_at
from zsderm.errors import InputError

WIDTH, COUNT, PART = 8, 50, 7
ENCODER = {"model": "m", "fingerprint": "f" * 16, "width": WIDTH, "licence": "none", "views": 1, "decoding": "none"}


@pytest.fixture
def stored(tmp_path: Path) -> StoredEmbeddings:
    """Fifty rows in parts of seven; every eleventh failed."""
    dataset = DatasetFolder.begin(tmp_path / "set", ENCODER, [f"{row}.png" for row in range(COUNT)], part_rows=PART)
    rng = np.random.default_rng(0)
    for part, names in enumerate(dataset.images(range(dataset.facts.parts))):
        rows = rng.normal(size=(len(names), WIDTH)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        failed = {row: "no image" for row in range(len(names)) if (part * PART + row) % 11 == 0}
        ok = np.array([row not in failed for row in range(len(names))])
        dataset.write_part(part, names, ImageEmbeddings(rows, ok, failed))
    dataset.finish(5, {})
    return read_embeddings(tmp_path / "set")


@pytest.mark.parametrize("stretch", [range(50), range(3, 5), range(6, 22), range(7, 14), range(49, 50), range(20, 20)])
@pytest.mark.parametrize("of", ["data set", "array"])
def test_blocks_hold_the_rows_of_a_stretch_that_are_not_nan(
    stored: StoredEmbeddings, stretch: range, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zsderm.embeddings.row_blocks.BLOCK", 4)
    whole = np.asarray(stored.features)
    blocks = list(blocks_of(stored.features if of == "data set" else whole, stretch))
    expected = [row for row in stretch if row % 11]
    assert [row for ids, _ in blocks for row in ids.tolist()] == expected
    for ids, rows in blocks:
        np.testing.assert_array_equal(rows, whole[ids])


@pytest.mark.parametrize("places", [[0], [3, 4, 13, 14, 48], list(range(50)), []])
def test_rows_at_places_are_those_of_the_whole(stored: StoredEmbeddings, places: list[int]) -> None:
    wanted = np.array(places, np.int64)
    expected = np.asarray(stored.features)[wanted]
    for rows in (stored.features, np.asarray(stored.features)):
        np.testing.assert_array_equal(rows_at(rows, wanted), expected)


def test_names_are_those_of_the_rows_in_any_order(stored: StoredEmbeddings) -> None:
    rows = np.array([49, 0, 13, 14, 6, 13])
    assert names_of(stored, rows) == [f"{row}.png" for row in rows]
    assert names_of(stored, rows[:0]) == []


def test_a_part_that_is_damaged_is_named(stored: StoredEmbeddings, tmp_path: Path) -> None:
    for harm in (b"", (tmp_path / "set" / "part-000007.parquet").read_bytes()):
        (tmp_path / "set" / "part-000001.parquet").write_bytes(harm)
        with pytest.raises(InputError, match=r"part-000001\.parquet"):
            names_of(stored, np.array([8]))
