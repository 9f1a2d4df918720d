"""Stored rows, found again by the paths of their images, in files and data sets alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zsderm.embeddings import DatasetFolder, embed_dataset, embed_images, embeddings_of, write_embeddings
from zsderm.errors import InputError

PLACES = ["rows.npy", "rows.parquet", "rows"]


def stored(place: Path, encoder, images: list[Path]) -> Path:
    if place.suffix:
        write_embeddings(place, encoder, images)
    else:
        embed_dataset(place, encoder, images, part_rows=3)
    return place


@pytest.mark.parametrize("name", PLACES)
def test_rows_are_those_of_the_images_in_the_order_that_is_asked_for(
    tiny_encoder, paths: list[Path], tmp_path: Path, name: str
) -> None:
    paths[4].write_bytes(b"")
    place = stored(tmp_path / name, tiny_encoder, paths)
    asked = [paths[number] for number in (6, 4, 0, 2, 0)]
    expected, encoded = embed_images(tiny_encoder, asked), tiny_encoder.images_encoded
    found = embeddings_of(place, tiny_encoder, asked)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-6)
    assert found.ok.tolist() == expected.ok.tolist() and found.errors == expected.errors == {1: "the file is empty"}
    assert tiny_encoder.images_encoded == encoded, "none is encoded again"


@pytest.mark.parametrize("name", PLACES)
def test_a_folder_may_be_named_another_way(tiny_encoder, paths, tmp_path: Path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    relative = [path.relative_to(tmp_path) for path in paths]
    expected = embed_images(tiny_encoder, paths).features
    for written, asked in ((relative, paths), (paths, relative), (paths, [Path(path.name) for path in paths])):
        found = embeddings_of(stored(tmp_path / name, tiny_encoder, written), tiny_encoder, asked)
        np.testing.assert_allclose(found.features, expected, atol=1e-6)
        if name == "rows":
            for file in (tmp_path / name).iterdir():
                file.unlink()


def test_images_that_are_not_there_are_counted_and_the_first_is_named(tiny_encoder, paths, tmp_path: Path) -> None:
    place = stored(tmp_path / "rows", tiny_encoder, paths[:4])
    with pytest.raises(InputError, match=r"3 of 7 images have no embedding in '.*rows', beginning with '.*4\.png'"):
        embeddings_of(place, tiny_encoder, paths)
    with pytest.raises(InputError, match="1 of 1 image"):
        embeddings_of(place, tiny_encoder, [tmp_path / "elsewhere" / "0.png"])


def test_the_same_name_in_two_folders_is_never_guessed(tiny_encoder, paths, tmp_path: Path) -> None:
    both = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        both.append(tmp_path / folder / "0.png")
        both[-1].write_bytes(paths[0 if folder == "a" else 1].read_bytes())
    place = stored(tmp_path / "rows", tiny_encoder, both)
    with pytest.raises(InputError, match=r"'0\.png' may be several of the images"):
        embeddings_of(place, tiny_encoder, ["0.png"])
    found = embeddings_of(place, tiny_encoder, ["b/0.png", both[0]])
    np.testing.assert_allclose(found.features, tiny_encoder.encode_images([paths[1], paths[0]]), atol=1e-6)


@pytest.mark.parametrize("name", PLACES)
def test_rows_of_another_encoder_or_number_of_views_are_refused(tiny_encoder, paths, tmp_path, name: str) -> None:
    place = stored(tmp_path / name, tiny_encoder, paths)
    with pytest.raises(InputError, match="expected embeddings of 'tiny'"):
        embeddings_of(place, type(tiny_encoder)("fedcba9876543210"), paths)
    with pytest.raises(InputError, match="expected embeddings of 4 views"):
        embeddings_of(place, tiny_encoder, paths, views=4)


def test_many_rows_are_found_in_chunks(tiny_encoder, paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zsderm.embeddings.rows_by_image._CHUNK", 2)
    place = stored(tmp_path / "rows", tiny_encoder, paths)
    found = embeddings_of(place, tiny_encoder, paths[::-1])
    np.testing.assert_allclose(found.features, tiny_encoder.encode_images(paths[::-1]), atol=1e-6)


@pytest.mark.parametrize("way", ["exact", "end of the path"])
def test_rows_are_read_only_from_parts_that_hold_an_image_that_is_asked_for(
    tiny_encoder, paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    place = stored(tmp_path / "rows", tiny_encoder, paths)  # parts of three
    read, whole = list[int](), DatasetFolder.read_part
    monkeypatch.setattr(DatasetFolder, "read_part", lambda self, part: read.append(part) or whole(self, part))
    asked = [paths[number] if way == "exact" else Path(paths[number].name) for number in (6, 0, 1, 0)]
    found = embeddings_of(place, tiny_encoder, asked)
    np.testing.assert_allclose(found.features, tiny_encoder.encode_images([paths[n] for n in (6, 0, 1, 0)]), atol=1e-6)
    assert sorted(read) == [0, 2]
