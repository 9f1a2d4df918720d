from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zsderm import ImageError, InputError
from zsderm.tasks.retrieval.image_index import ImageIndex, nearest_texts, state_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("1.png", "2.png", "10.png", "sub/3.png"):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), np.uint8)).save(photos / name)
    return photos


def test_the_hits_equal_scoring_every_image(tiny_encoder, folder: Path) -> None:
    index = ImageIndex.open(tiny_encoder, folder)
    hits = index.by_text("a blue patch", k=3)
    cosines = (tiny_encoder.encode_images(index.paths) @ tiny_encoder.encode_texts(["a blue patch"])[0]).numpy()
    order = np.argsort(-cosines)[:3]
    assert [hit.path for hit in hits] == [index.paths[row] for row in order]
    assert [hit.score for hit in hits] == pytest.approx(cosines[order].tolist(), abs=1e-5)


def test_k_is_clipped_to_the_number_of_images(tiny_encoder, folder: Path) -> None:
    assert len(ImageIndex.open(tiny_encoder, folder).by_text("red", k=99)) == 4


def test_the_very_same_file_is_left_out_and_a_copy_is_found(tiny_encoder, folder: Path) -> None:
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    hits = ImageIndex.open(tiny_encoder, folder).by_image(os.path.relpath(folder / "1.png"), k=4)
    assert len(hits) == 4 and str(folder / "1.png") not in [hit.path for hit in hits]
    assert hits[0].path == str(folder / "copy.png") and hits[0].score == pytest.approx(1, abs=1e-5)


def test_an_image_from_elsewhere_finds_k(tiny_encoder, folder: Path, photo: Image.Image) -> None:
    assert len(ImageIndex.open(tiny_encoder, folder).by_image(photo, k=2)) == 2


def test_a_second_opening_encodes_nothing(tiny_encoder, folder: Path, tmp_path: Path) -> None:
    first = ImageIndex.open(tiny_encoder, folder, cache=tmp_path / "cache")
    encoded = tiny_encoder.images_encoded
    second = ImageIndex.open(tiny_encoder, folder, cache=tmp_path / "cache")
    assert tiny_encoder.images_encoded == encoded and (first.rebuilt, second.rebuilt) == (True, False)
    assert second.by_text("red") == first.by_text("red")


def test_a_photograph_that_comes_goes_or_changes_is_noticed(tiny_encoder, folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    ImageIndex.open(tiny_encoder, folder, cache=cache)
    Image.new("RGB", (16, 16), "red").save(folder / "new.png")
    encoded = tiny_encoder.images_encoded
    index = ImageIndex.open(tiny_encoder, folder, cache=cache)
    assert index.rebuilt and len(index) == 5 and tiny_encoder.images_encoded == encoded + 1
    (folder / "new.png").unlink()
    assert len(ImageIndex.open(tiny_encoder, folder, cache=cache)) == 4
    Image.new("RGB", (16, 16), "blue").save(folder / "1.png")
    assert ImageIndex.open(tiny_encoder, folder, cache=cache).rebuilt
    assert len(list((cache / "image-indexes").iterdir())) == 1  # an index that is out of date is replaced


def test_another_encoder_has_another_index(tiny_encoder, folder: Path, tmp_path: Path) -> None:
    ImageIndex.open(tiny_encoder, folder, cache=tmp_path / "cache")
    tiny_encoder.fingerprint = "fedcba9876543210"
    assert ImageIndex.open(tiny_encoder, folder, cache=tmp_path / "cache").rebuilt


def test_a_damaged_index_is_built_again(tiny_encoder, folder: Path, tmp_path: Path) -> None:
    first = ImageIndex.open(tiny_encoder, folder, cache=tmp_path / "cache").by_text("red")
    for file in (tmp_path / "cache").rglob("entries.faiss"):
        file.write_bytes(b"damaged")
    assert ImageIndex.open(tiny_encoder, folder, cache=tmp_path / "cache").by_text("red") == first


def test_an_unreadable_photograph_is_left_out_with_its_reason_each_time(tiny_encoder, folder: Path, tmp_path) -> None:
    (folder / "2.png").write_bytes(b"no image")
    for _ in range(2):
        index = ImageIndex.open(tiny_encoder, folder, cache=tmp_path / "cache")
        assert list(index.errors) == [str(folder / "2.png")] and "not an image" in index.errors[str(folder / "2.png")]
        assert len(index.by_text("red", k=99)) == 3


def test_nothing_to_search_and_nothing_to_ask_are_refused(tiny_encoder, folder: Path, tmp_path: Path) -> None:
    index = ImageIndex.open(tiny_encoder, folder)
    with pytest.raises(InputError, match="at least 1"):
        index.by_text("red", k=0)
    (broken := tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="cannot read the image"):
        index.by_image(broken)
    for file in folder.rglob("*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(ImageError, match="none of the 4 images"):
        ImageIndex.open(tiny_encoder, folder)


def test_the_nearest_texts_equal_scoring_every_one(tiny_encoder, photo: Image.Image) -> None:
    texts = ["red", "blue", "red", "green patch"]
    found = nearest_texts(tiny_encoder, texts, None, photo, k=5)
    image = tiny_encoder.encode_images([photo])[0]
    scores = {text: float(tiny_encoder.encode_texts([text])[0] @ image) for text in texts}
    assert [text for _, text in found] == sorted(scores, key=lambda text: -scores[text])
    assert [score for score, _ in found] == pytest.approx(sorted(scores.values(), reverse=True), abs=1e-5)
    assert nearest_texts(tiny_encoder, texts, "blue", None, k=1)[0][1] == "blue"


def test_an_index_of_images_that_were_decoded_otherwise_is_out_of_date(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a.png").touch()
    before = state_of([tmp_path / "a.png"])
    assert state_of([tmp_path / "a.png"]) == before
    monkeypatch.setattr("zsderm.images.VERSION", -1)
    assert state_of([tmp_path / "a.png"]) != before
