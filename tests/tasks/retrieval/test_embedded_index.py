from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image

from zsderm.embeddings import embed_dataset, read_embeddings, write_embeddings
from zsderm.embeddings.disk_index import DiskIndex
from zsderm.embeddings.vector_index import VectorIndex
from zsderm.errors import FallbackWarning, ImageError, InputError
from zsderm.places import Folder, LocalFolder
from zsderm.tasks.retrieval.embedded_index import EmbeddedIndex
from zsderm.tasks.retrieval.image_search import Hit, same_name

COUNT, BROKEN = 120, 7


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{number:03d}.png")
    (folder / f"{BROKEN:03d}.png").write_bytes(b"no image")
    return folder


@pytest.fixture(params=["data set", "rows.npy", "rows.parquet"])
def embeddings(request: pytest.FixtureRequest, tiny_encoder, photos: Path, tmp_path: Path) -> Path:
    return embedded(tmp_path / request.param, tiny_encoder, photos)


def embedded(place: Path, encoder, photos: Path) -> Path:
    if place.suffix:
        write_embeddings(place, encoder, sorted(photos.iterdir()))
    else:
        embed_dataset(place, encoder, sorted(photos.iterdir()), part_rows=16)
    return place


def ways(cache: Path) -> dict[str, dict]:
    """How an index is opened: without a cache, in memory, and on disk."""
    return {
        "all": {},
        "flat": {"cache": cache / "flat"},
        "disk": {"cache": cache / "disk", "largest_flat": 50},
    }


@pytest.mark.parametrize("way", ["all", "flat", "disk"])
def test_the_hits_equal_scoring_every_row(tiny_encoder, embeddings: Path, tmp_path: Path, way: str) -> None:
    index = EmbeddedIndex.open(tiny_encoder, embeddings, **ways(tmp_path)[way])
    assert isinstance(index._entries, {"all": type(None), "flat": VectorIndex, "disk": DiskIndex}[way])
    stored = read_embeddings(embeddings)
    cosines = np.asarray(stored.features) @ tiny_encoder.encode_texts(["a blue patch"])[0].numpy()
    best = np.argsort(-np.nan_to_num(cosines, nan=-2), kind="stable")[:5].tolist()
    hits = index.by_text("a blue patch", k=5)
    assert [hit.path for hit in hits] == [stored.images[row] for row in best]
    assert [hit.score for hit in hits] == pytest.approx(cosines[best].tolist(), abs=2e-4)


@pytest.mark.parametrize("way", ["all", "flat", "disk"])
def test_what_failed_is_never_found_and_k_is_clipped(tiny_encoder, embeddings: Path, tmp_path: Path, way: str) -> None:
    index = EmbeddedIndex.open(tiny_encoder, embeddings, **ways(tmp_path)[way])
    assert (index.images, len(index), index.failed) == (COUNT, COUNT - 1, 1)
    names = [Path(hit.path).name for hit in index.by_text("red", k=5000)]
    assert len(set(names)) == len(names) == COUNT - 1 and f"{BROKEN:03d}.png" not in names


@pytest.mark.parametrize("way", ["all", "flat", "disk"])
def test_the_very_same_file_is_left_out_and_a_copy_is_found(
    tiny_encoder, photos: Path, embeddings: Path, tmp_path: Path, way: str
) -> None:
    index = EmbeddedIndex.open(tiny_encoder, embeddings, **ways(tmp_path)[way])
    hits = index.by_image(os.path.relpath(photos / "003.png"), k=4)
    assert len(hits) == 4 and str(photos / "003.png") not in [hit.path for hit in hits]
    (copy := tmp_path / "copy.png").write_bytes((photos / "003.png").read_bytes())
    (hit, *_) = index.by_image(copy, k=1)
    assert hit.path == str(photos / "003.png") and hit.score == pytest.approx(1, abs=2e-4)


def test_a_photograph_is_the_same_where_the_list_names_it_from_another_folder(
    tiny_encoder, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    embed_dataset(tmp_path / "set", tiny_encoder, [f"{photos.name}/{number:03d}.png" for number in range(20)])
    monkeypatch.chdir(tmp_path)
    hits = EmbeddedIndex.open(tiny_encoder, tmp_path / "set").by_image(photos / "003.png", k=3)
    assert len(hits) == 3 and f"{photos.name}/003.png" not in [hit.path for hit in hits]
    assert not same_name(Hit(1.0, "other/003.png"), str(photos / "003.png"))


@pytest.mark.parametrize("way", ["flat", "disk"])
def test_the_index_is_built_once_and_again_where_the_embeddings_are_others(
    tiny_encoder, photos: Path, embeddings: Path, tmp_path: Path, way: str
) -> None:
    how = ways(tmp_path)[way]
    first, second = (EmbeddedIndex.open(tiny_encoder, embeddings, **how) for _ in range(2))
    assert (first.rebuilt, second.rebuilt) == (True, False) and second.by_text("red") == first.by_text("red")
    others = sorted(photos.iterdir())[:60]
    if embeddings.suffix:
        write_embeddings(embeddings, tiny_encoder, others)
    else:
        for file in embeddings.iterdir():
            file.unlink()
        embed_dataset(embeddings, tiny_encoder, others, part_rows=16)
    third = EmbeddedIndex.open(tiny_encoder, embeddings, **how)
    assert third.rebuilt and len(third) == 59
    assert len(list((how["cache"] / "image-indexes").iterdir())) == 1  # in the place of the one that is out of date


def test_an_index_that_outgrows_memory_leaves_nothing_of_the_old_one(
    tiny_encoder, photos: Path, tmp_path: Path
) -> None:
    place, cache = embedded(tmp_path / "set", tiny_encoder, photos), tmp_path / "cache"
    for largest, files in (
        (1000, {"entries.faiss", "entries.json"}),
        (50, {"index.json", "cells.npz", "entries.lists", "lock"}),
        (1000, {"entries.faiss", "entries.json"}),
    ):
        assert EmbeddedIndex.open(tiny_encoder, place, cache=cache, largest_flat=largest).rebuilt
        assert {path.name for path in cache.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("way", ["flat", "disk"])
def test_a_damaged_index_is_built_again(tiny_encoder, embeddings: Path, tmp_path: Path, way: str) -> None:
    how = ways(tmp_path)[way]
    first = EmbeddedIndex.open(tiny_encoder, embeddings, **how).by_text("red")
    for file in how["cache"].rglob("entries.*"):
        if file.suffix != ".json":
            file.write_bytes(b"damaged")
    again = EmbeddedIndex.open(tiny_encoder, embeddings, **how)
    assert again.rebuilt and again.by_text("red") == first


def test_recall_is_measured_with_sentences_and_rows(tiny_encoder, photos: Path, tmp_path: Path) -> None:
    place = embedded(tmp_path / "set", tiny_encoder, photos)
    index = EmbeddedIndex.open(tiny_encoder, place, cache=tmp_path, largest_flat=50)
    assert isinstance(index._entries, DiskIndex) and index._entries.card.recalls is not None
    assert set(index._entries.card.recalls) == {"beside a row", "texts"} and index.recall >= 0.95


@pytest.mark.parametrize("largest", [50, 1000])
def test_a_cache_that_cannot_be_written_is_a_warning(tiny_encoder, photos: Path, tmp_path: Path, largest: int) -> None:
    place = embedded(tmp_path / "set", tiny_encoder, photos)
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(FallbackWarning, match="kept"):
        index = EmbeddedIndex.open(tiny_encoder, place, cache=tmp_path / "file", largest_flat=largest)
    expected = EmbeddedIndex.open(tiny_encoder, place).by_text("red")
    assert [hit.path for hit in index.by_text("red")] == [hit.path for hit in expected]


def refused(encoder, place: Path, reason: str, error: type[Exception] = InputError) -> None:
    with pytest.raises(error, match=reason):
        EmbeddedIndex.open(encoder, place)


def test_what_cannot_be_searched_is_refused(tiny_encoder, photos: Path, tmp_path: Path) -> None:
    place = embedded(tmp_path / "set", tiny_encoder, photos)
    other = type(tiny_encoder)("fedcba9876543210")
    refused(other, place, "expected embeddings of 'tiny'")
    (place / "embeddings.json").write_text("{}")
    refused(tiny_encoder, place, "cannot read the data set")
    embed_dataset(tmp_path / "none", tiny_encoder, [photos / f"{BROKEN:03d}.png"])
    refused(tiny_encoder, tmp_path / "none", "the only image could not be embedded", ImageError)


def test_a_part_that_is_gone_is_an_error_that_names_it(tiny_encoder, photos: Path, tmp_path: Path) -> None:
    place = embedded(tmp_path / "set", tiny_encoder, photos)
    index = EmbeddedIndex.open(tiny_encoder, place, cache=tmp_path / "cache")
    (place / "part-000003.parquet").unlink()
    with pytest.raises(InputError, match=r"part-000003\.parquet"):
        index.by_text("red", k=COUNT)


class FarFolder(Folder):
    """A folder that is no path of this machine, as in a bucket: what is opened there is counted."""

    def __init__(self, path: Path) -> None:
        self.near, self.opened = LocalFolder(path), Counter[str]()

    def __str__(self) -> str:
        return "far://set"

    def names(self) -> Iterator[str]:
        return self.near.names()

    def has(self, name: str) -> bool:
        return self.near.has(name)

    def open(self, name: str) -> BinaryIO:
        self.opened[name] += 1
        return self.near.open(name)

    def written(self, name: str, mark: re.Pattern[bytes] | None = None) -> AbstractContextManager[Path]:
        raise AssertionError("a search writes nothing there")

    def below(self, name: str) -> Folder:
        raise AssertionError("a search looks into no folder below")


def test_a_data_set_far_away_is_read_once_and_then_only_for_names(
    tiny_encoder, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = FarFolder(embedded(tmp_path / "set", tiny_encoder, photos))
    monkeypatch.setattr("zsderm.part_folders.folder_at", lambda place: far)
    first = EmbeddedIndex.open(tiny_encoder, "far://set", cache=tmp_path / "cache", largest_flat=50)
    far.opened.clear()
    second = EmbeddedIndex.open(tiny_encoder, "far://set", cache=tmp_path / "cache", largest_flat=50)
    assert (first.rebuilt, second.rebuilt) == (True, False) and far.opened == {"embeddings.json": 1}
    far.opened.clear()
    assert len(second.by_text("red", k=3)) == 3 and 1 <= far.opened.total() <= 3
