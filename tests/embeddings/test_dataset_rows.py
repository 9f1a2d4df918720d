"""The rows of a data set as an array on disk, beside its slow twin: all parts read and joined in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm.embeddings import read_embeddings
from zsderm.embeddings.dataset_folder import DatasetFolder
from zsderm.embeddings.dataset_rows import KEPT, DatasetRows, PartReader
from zsderm.embeddings.embedded_dataset import embed_dataset
from zsderm.embeddings.image_features import ImageEmbeddings
from zsderm.errors import InputError
from zsderm.given_rows import given_rows
from zsderm.proxies.chunks import FeatureChunks, KnownRows

IMAGES, WIDTH, PART = 47, 5, 4
ENCODER = {"model": "tiny", "fingerprint": "0123", "width": WIDTH, "licence": "", "views": 1, "decoding": "images-4"}


@pytest.fixture
def dataset(tmp_path: Path) -> DatasetFolder:
    """47 rows in 12 parts; every seventh image could not be read."""
    rng = np.random.default_rng(5)
    names = [f"{number}.png" for number in range(IMAGES)]
    made = DatasetFolder.begin(tmp_path / "rows", ENCODER, names, part_rows=PART)
    failed = 0
    for part, of_part in enumerate(made.images(range(made.facts.parts))):
        rows = rng.normal(size=(len(of_part), WIDTH)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        errors = {place: "torn" for place, row in enumerate(made.facts.rows(part)) if row % 7 == 6}
        ok = np.array([place not in errors for place in range(len(of_part))])
        failed += made.write_part(part, of_part, ImageEmbeddings(rows, ok, errors))
    made.finish(failed, {})
    return made


def twin(dataset: DatasetFolder) -> np.ndarray:
    """(N, D) all rows, in memory."""
    return np.concatenate([dataset.read_part(part)[1] for part in range(dataset.facts.parts)])


def test_rows_are_those_of_all_parts_joined(dataset) -> None:
    rows, expected = DatasetRows(PartReader(dataset)), twin(dataset)
    assert rows.shape == expected.shape == (IMAGES, WIDTH) and len(rows) == IMAGES
    assert (rows.dtype, rows.ndim) == (expected.dtype, expected.ndim)
    np.testing.assert_array_equal(np.asarray(rows), expected)
    rng = np.random.default_rng(0)
    for _ in range(60):
        start, stop = rng.integers(-60, 60, 2).tolist()
        step = int(rng.choice([-3, -1, 1, 2, 5]))
        np.testing.assert_array_equal(rows[start:stop:step], expected[start:stop:step])
        some = rng.integers(-IMAGES, IMAGES, rng.integers(0, 20))
        np.testing.assert_array_equal(rows[some], expected[some])
        mask = rng.random(IMAGES) < 0.2
        np.testing.assert_array_equal(rows[mask], expected[mask])
        one = int(rng.integers(-IMAGES, IMAGES))
        np.testing.assert_array_equal(rows[one], expected[one])


def test_a_row_that_is_not_there_is_an_index_error(dataset) -> None:
    rows = DatasetRows(PartReader(dataset))
    for place in (IMAGES, -IMAGES - 1, np.array([0, IMAGES])):
        with pytest.raises(IndexError):
            rows[place]


def test_rows_are_new_arrays(dataset) -> None:
    rows = DatasetRows(PartReader(dataset))
    rows[:6][:] = 0
    np.testing.assert_array_equal(rows[:], twin(dataset))


def test_each_part_is_read_once_for_a_call_and_few_are_kept(dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, read = PartReader(dataset), []
    plain = DatasetFolder.read_part

    def counted(self: DatasetFolder, part: int) -> object:
        read.append(part)
        return plain(self, part)

    monkeypatch.setattr(DatasetFolder, "read_part", counted)
    rows = DatasetRows(reader)
    rows[np.arange(IMAGES)[::-1]]
    assert sorted(read) == list(range(12)) and len(reader._kept) == KEPT
    read.clear()
    rows[40:46]
    assert read == [], "the last parts are kept"


def test_threads_read_what_one_reads(dataset) -> None:
    rows, expected = DatasetRows(PartReader(dataset)), twin(dataset)
    places = [np.random.default_rng(seed).integers(0, IMAGES, 9) for seed in range(60)]
    with ThreadPoolExecutor(4) as pool:
        for some, found in zip(places, pool.map(lambda some: rows[some], places), strict=True):
            np.testing.assert_array_equal(found, expected[some])


def test_names_and_errors_are_columns(dataset) -> None:
    stored = read_embeddings(dataset.folder.path)
    names = [f"{number}.png" for number in range(IMAGES)]
    errors = ["torn" if number % 7 == 6 else "" for number in range(IMAGES)]
    for column, expected in ((stored.images, names), (stored.errors, errors)):
        assert list(column) == expected and len(column) == IMAGES
        assert column[3:20:4] == expected[3:20:4] and column[-1] == expected[-1] and column[5] == expected[5]
    assert (stored.views, stored.encoder["model"]) == (1, "tiny")


def test_the_method_reads_the_same_rows_as_from_memory(dataset) -> None:
    expected = twin(dataset)
    known = KnownRows(DatasetRows(PartReader(dataset)))
    assert len(known) == IMAGES - 6
    chunks = FeatureChunks(known, 5)
    np.testing.assert_array_equal(chunks.load().numpy(), expected[~np.isnan(expected).any(axis=1)])
    assert chunks.sample(7, seed=1).shape == (7, WIDTH)


def test_a_data_set_is_given_like_a_file_of_embeddings(tiny_encoder, paths, tmp_path: Path) -> None:
    embed_dataset(tmp_path / "rows", tiny_encoder, paths, part_rows=3)
    for place in (tmp_path / "rows", str(tmp_path / "rows")):
        rows = given_rows(place, tiny_encoder, 1)
        assert isinstance(rows, KnownRows)
        torch.testing.assert_close(rows[:], tiny_encoder.encode_images(paths))
    with pytest.raises(InputError, match="expected embeddings of 'tiny'"):
        given_rows(tmp_path / "rows", type(tiny_encoder)("fedcba9876543210"), 1)
    with pytest.raises(InputError, match="expected embeddings of 4 views"):
        given_rows(tmp_path / "rows", tiny_encoder, 4)


def test_a_data_set_that_is_not_finished_is_refused_with_what_is_missing(dataset) -> None:
    place = dataset.folder.path
    DatasetFolder(place, dataset.facts)._write_manifest()
    (place / "part-000003.parquet").unlink()
    with pytest.raises(InputError, match="is not finished: 1 of 12 parts are missing"):
        read_embeddings(place)
