"""Photographs in a repository on the Hugging Face Hub, as a server on loopback gives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TinyEncoder
from tests.places.hub_server import hub
from tests.places.test_buckets import photograph
from zsderm.embeddings import embed_dataset, embed_images, read_embeddings
from zsderm.errors import ImageError, InputError, SettingsError
from zsderm.images import Pattern, find, open_file, open_image
from zsderm.places import PlaceError, folder_at

PLACE = "hf://datasets/clinic/lesions"
FILES = {f"photos/{number % 2}/{number}.png": photograph(number, "PNG") for number in range(12)}
FILES["README.md"] = b"# Lesions"

pytestmark = pytest.mark.slow  # they wait for a server


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's library may ask; it read the variable when it was imported."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def asked(online: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    with hub("clinic/lesions", FILES) as (address, asked):
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield asked


def test_a_folder_a_pattern_and_a_file_are_found(asked: list[str]) -> None:
    listed = [str(image) for image in find(f"{PLACE}/photos/")]
    assert listed[:6] == [f"{PLACE}/photos/0/{number}.png" for number in (0, 2, 4, 6, 8, 10)] and len(listed) == 12
    assert find(Pattern(f"{PLACE}/photos/*/1*.png")) == [f"{PLACE}/photos/{one % 2}/{one}.png" for one in (10, 1, 11)]
    assert open_image(listed[0]).size == (12, 12)
    with open_file(listed[1], most=None) as stream:
        assert stream.read(8) == photograph(2, "PNG")[:8]


def test_rows_are_those_of_files(asked: list[str], tiny_encoder: TinyEncoder, tmp_path: Path) -> None:
    images = find(f"{PLACE}/photos")
    for image in images:
        (tmp_path / Path(image).name).write_bytes(FILES[str(image).removeprefix(f"{PLACE}/")])
    there = embed_images(tiny_encoder, images)
    here = embed_images(tiny_encoder, [tmp_path / Path(image).name for image in images])
    assert there.ok.all() and (there.features == here.features).all()


def test_a_data_set_of_embeddings_is_read_and_not_written(
    asked: list[str], tiny_encoder: TinyEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed_dataset(tmp_path / "rows", tiny_encoder, find(f"{PLACE}/photos"), part_rows=5)
    files = {f"rows/{path.name}": path.read_bytes() for path in (tmp_path / "rows").iterdir()}
    with hub("clinic/rows", files) as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert len(read_embeddings("hf://datasets/clinic/rows/rows", tiny_encoder).images) == 12
        told = pytest.raises(SettingsError, match="the Hub is read only here")
        with told, folder_at("hf://datasets/clinic/rows/new").written("a.txt") as draft:
            draft.write_bytes(b"1")


def test_what_is_not_there_is_said(asked: list[str]) -> None:
    with pytest.raises(ImageError, match=r"^no such object$"):
        open_file(f"{PLACE}/photos/none.png")
    with pytest.raises(ImageError, match="there is no folder"):
        find(f"{PLACE}/none")
    with pytest.raises(InputError, match="as in hf://datasets/OWNER/NAME/photos/"):
        find("hf://datasets/clinic")


def test_a_closed_repository_asks_for_a_token(online: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with hub("clinic/lesions", FILES, token="hf_secret") as (address, _):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(PlaceError, match="Set HF_TOKEN") as told:
            find(f"{PLACE}/photos")
        monkeypatch.setenv("HF_TOKEN", "hf_wrong")
        with pytest.raises(PlaceError, match="Set HF_TOKEN") as told:
            find(f"{PLACE}/photos")
        assert "hf_wrong" not in str(told.value)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        assert len(find(f"{PLACE}/photos")) == 12
