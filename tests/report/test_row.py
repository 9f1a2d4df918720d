"""A row says whether the answer is the label, and a picture that cannot be opened is left out."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from zsderm.report import Row, thumbnail
from zsderm.report.row import THUMBNAIL_SIDE, data_uri, short_names


def _row(ranked: list[tuple[str, float]], true: str) -> Row:
    return Row("folder/photo.jpg", "", ranked, (), "", true)


@pytest.mark.parametrize(
    ("ranked", "true", "verdict"),
    [
        ([("nevus", 0.9)], "nevus", "right"),
        ([("nevus", 0.9)], "wart", "wrong"),
        ([], "wart", ""),
        ([("a", 1.0)], "", ""),
    ],
)
def test_the_verdict_needs_an_answer_and_a_label(ranked, true: str, verdict: str) -> None:
    assert _row(ranked, true).verdict == verdict


def test_equal_names_in_two_folders_are_told_apart_by_as_many_folders_as_it_takes() -> None:
    images = ["x/a/1.jpg", "x/b/1.jpg", "y/b/1.jpg", "x/2.jpg", "3.jpg", "3.jpg", "/", "", "caf\udce9.jpg"]
    shown = ["a/1.jpg", "x/b/1.jpg", "y/b/1.jpg", "2.jpg", "3.jpg", "3.jpg", "/", "", "caf\\xe9.jpg"]
    assert short_names(images) == shown


def test_a_row_goes_by_its_file_name() -> None:
    assert _row([], "").name == "photo.jpg" and Row("", "", [], (), "", "").name == ""


def test_a_thumbnail_is_small_and_leaves_the_picture_alone(photo: Image.Image) -> None:
    large = photo.resize((900, 600))
    uri = thumbnail(large)
    shown = Image.open(BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert (
        shown.size == (THUMBNAIL_SIDE, 171) and large.size == (900, 600) and uri.startswith("data:image/jpeg;base64,")
    )
    assert data_uri(photo) == thumbnail(photo)


def test_what_cannot_be_opened_has_no_thumbnail(tmp_path: Path) -> None:
    assert thumbnail(tmp_path / "nothing.jpg") == ""
