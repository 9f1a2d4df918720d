"""Embeddings out of damaged or hand-made files: the rows that were written, or one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from zsderm import InputError
from zsderm.embeddings.feature_files import read_embeddings, write_embeddings


@pytest.fixture
def written(tiny_encoder, paths, tmp_path: Path) -> Path:
    """A folder with rows.npy, rows.csv, rows.json and rows.parquet."""
    folder = tmp_path / "written"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"no image")
    for name in ("rows.npy", "rows.parquet"):
        write_embeddings(folder / name, tiny_encoder, [*paths, folder / "broken.jpg"], views=1)
    return folder


def test_a_hand_made_file_is_told_in_words_what_is_missing(tmp_path: Path) -> None:
    np.save(tmp_path / "e2.npy", np.eye(4, dtype=np.float32))
    with pytest.raises(InputError, match=r"no 'e2\.json' beside it, which says which encoder made the rows"):
        read_embeddings(tmp_path / "e2.npy")
    (tmp_path / "e2.json").write_text("{}")
    with pytest.raises(InputError, match=r"no 'e2\.csv' beside it, which names the images"):
        read_embeddings(tmp_path / "e2.npy")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows * 2,
        lambda rows: rows * np.float32("inf"),
        lambda rows: rows * np.float32("nan"),
        lambda rows: np.where(np.arange(len(rows))[:, None] == 0, rows[1], rows),
        lambda rows: rows.astype(np.float64),
        lambda rows: rows[:, :8],
        lambda rows: rows[:-1],
        lambda rows: rows.ravel(),
        lambda rows: np.nan_to_num(rows, nan=0.1),
    ],
)
def test_rows_that_no_encoder_gives_and_rows_of_another_run_are_refused(written: Path, spoil) -> None:
    path = written / "rows.npy"
    np.save(path, spoil(np.load(path)))
    with pytest.raises(InputError, match="cannot read embeddings"):
        read_embeddings(path)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": 7},
        {"width": "32"},
        {"width": 31},
        {"views": 3},
        {"views": True},
        {"views": "4"},
        {"model": None},
        {"digests": {}},
        {"digests": 5},
    ],
    ids=repr,
)
def test_what_is_said_of_the_rows_is_checked(written: Path, change: dict) -> None:
    path = written / "rows.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match="cannot read embeddings"):
        read_embeddings(written / "rows.npy")


def test_names_of_another_run_are_noticed(written: Path) -> None:
    path = written / "rows.csv"
    first, *lines = path.read_text().splitlines()
    path.write_text("\n".join([first, *lines[-2::-1], lines[-1]]) + "\n")
    with pytest.raises(InputError, match="of another run"):
        read_embeddings(written / "rows.npy")


def test_files_without_digests_are_read_as_before(written: Path) -> None:
    path = written / "rows.json"
    about = json.loads(path.read_text())
    assert set(about.pop("digests")) == {"rows", "names"}
    path.write_text(json.dumps(about))
    read_embeddings(written / "rows.npy")


@pytest.mark.parametrize("name", ["rows.npy", "rows.csv", "rows.json", "rows.parquet"])
def test_a_flipped_bit_or_a_cut_is_a_sentence_or_changes_nothing(written: Path, tmp_path: Path, name: str) -> None:
    path = written / ("rows.parquet" if name == "rows.parquet" else "rows.npy")
    whole, random = read_embeddings(path), np.random.default_rng(5)
    content = (written / name).read_bytes()
    copy = shutil.copytree(written, tmp_path / "copy")
    for _ in range(25):
        spoiled = bytearray(content)
        if random.random() < 0.2:
            del spoiled[int(random.integers(len(spoiled))) :]
        else:
            spoiled[int(random.integers(len(spoiled)))] ^= 1 << int(random.integers(8))
        (copy / name).write_bytes(bytes(spoiled))
        try:
            found = read_embeddings(copy / path.name)
        except InputError as error:
            assert "\n" not in str(error)[:200]
        else:
            assert np.array_equal(found.features, whole.features, equal_nan=True) and found.images == whole.images
