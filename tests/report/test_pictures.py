"""Pictures are small, in order, and one that cannot be opened is left out."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from zsderm.display.pictures import data_uri
from zsderm.report import thumbnail
from zsderm.report.pictures import SMALLEST_SIDE, THUMBNAIL_SIDE, side_for, thumbnails


def _opened(uri: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_a_thumbnail_is_small_and_leaves_the_picture_alone(photo: Image.Image) -> None:
    large = photo.resize((900, 600))
    uri = thumbnail(large)
    assert (
        _opened(uri).size == (THUMBNAIL_SIDE, 171)
        and large.size == (900, 600)
        and uri.startswith("data:image/jpeg;base64,")
    )
    assert data_uri(photo) == thumbnail(photo)


def test_what_cannot_be_opened_has_no_thumbnail(tmp_path: Path) -> None:
    assert thumbnail(tmp_path / "nothing.jpg") == ""


@pytest.mark.parametrize(("size", "side", "kept"), [((4000, 3000), 512, 500), ((2000, 1500), 384, 384)])
def test_a_jpeg_file_is_decoded_at_a_reduced_size(tmp_path: Path, size: tuple[int, int], side: int, kept: int) -> None:
    Image.new("RGB", size, "brown").save(tmp_path / "large.jpg")
    assert _opened(thumbnail(tmp_path / "large.jpg", side)).width == kept


def test_the_more_photographs_the_smaller_each() -> None:
    sides = [side_for(count) for count in (1, 600, 5_000, 100_000)]
    assert sides == sorted(sides, reverse=True) and len(set(sides)) == 4 and sides[-1] == SMALLEST_SIDE


def test_thumbnails_come_in_order_whatever_they_are_made_of(tmp_path: Path, photo: Image.Image) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(40)]
    for number, file in enumerate(files):
        Image.new("RGB", (16, 16), (6 * number, 0, 0)).save(file)
    files[7].write_bytes(b"torn")
    found = list(thumbnails([*files, None, photo], 32))
    assert found == [*(thumbnail(file, 32) for file in files), "", thumbnail(photo, 32)] and found[7] == ""


def test_what_was_begun_ends_when_nobody_asks_for_more(tmp_path: Path) -> None:
    asked = []
    pictures = (asked.append(number) or tmp_path / "nothing.jpg" for number in range(10_000))
    some = thumbnails(pictures, 32)
    next(some)
    some.close()
    assert len(asked) < 100
