from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from zsderm.benchmarks.speed import photographs
from zsderm.images import find, open_image


@pytest.fixture
def source(tmp_path: Path, photo: Image.Image) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    photo.save(folder / "1.png")
    photo.convert("L").save(folder / "2.png")
    return folder


def test_small_ones_are_distinct(source: Path, tmp_path: Path) -> None:
    made = photographs.small(tmp_path, source, 5)
    assert len({path.read_bytes() for path in made}) == 5


def test_large_ones_have_the_pixels_asked_for_and_are_the_same_every_time(source: Path, tmp_path: Path) -> None:
    made = photographs.large(tmp_path, source, 2, megapixels=0.12, grain=4)
    assert [open_image(path).size for path in made] == [(400, 300)] * 2
    again = photographs.large(tmp_path / "source", source, 1, megapixels=0.12, grain=4)
    assert again[0].read_bytes() == made[0].read_bytes()


def test_links_lead_to_the_photographs_and_are_spread_over_folders(source: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    photographs.links(tmp_path / "links", source, 5, per_folder=2)
    found = find(tmp_path / "links")
    assert [path.relative_to(tmp_path / "links").as_posix() for path in found] == [
        "0/0.png",
        "0/1.png",
        "1/2.png",
        "1/3.png",
        "2/4.png",
    ]
    assert {path.resolve() for path in found} == {source / "1.png", source / "2.png"}
