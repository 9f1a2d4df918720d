"""What addresses mean, what is refused, and in which order names come."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsderm.errors import InputError
from zsderm.file_names import counting_order
from zsderm.places import Address, address_of, is_address, local_path, path_or_address, without_secrets


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("s3://bucket", Address("s3", "bucket", "")),
        ("S3://bucket/", Address("s3", "bucket", "")),
        ("s3://bucket/a/b.jpg", Address("s3", "bucket", "a/b.jpg")),
        ("gs://bucket/a/", Address("gs", "bucket", "a")),
        ("s3://bucket/split=train/what?.jpg", Address("s3", "bucket", "split=train/what?.jpg")),
        ("hf://datasets/clinic/lesions/a.jpg", Address("hf", "datasets/clinic/lesions", "a.jpg")),
        ("hf://clinic/encoder@main/a", Address("hf", "clinic/encoder@main", "a")),
    ],
)
def test_an_address_is_taken_to_pieces(text: str, meant: Address) -> None:
    assert address_of(text) == meant and address_of(str(meant)) == meant


def test_its_parts() -> None:
    address = address_of("s3://bucket/a/b.JPG")
    assert (address.name, address.suffix, str(address.parent)) == ("b.JPG", ".jpg", "s3://bucket/a")
    assert (
        str(address.parent.below("c/d")) == "s3://bucket/a/c/d" and str(address_of("s3://b").below("c")) == "s3://b/c"
    )


@pytest.mark.parametrize("name", ["photos/1.jpg", "/a/b", "C:\\a", "C:/a", "a://", "://b", "s3:/bucket/a"])
def test_a_path_is_no_address(name: str) -> None:
    assert not is_address(name) and not isinstance(path_or_address(name), str)


def test_a_file_address_is_a_path() -> None:
    assert local_path("file:///a/b%20c") == "/a/b c" and local_path("file://localhost/a") == "/a"
    assert local_path("/a/b") is None and local_path("s3://a/b") is None
    with pytest.raises(InputError, match="on this machine"):
        local_path("file://host/a")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:secret@bucket/a", "s3://...@bucket/a"),
        ("https://b/a.jpg?X-Amz-Signature=secret&x=1", "https://b/a.jpg?..."),
        ("s3://bucket/a?versionId=secret", "s3://bucket/a?..."),
    ],
)
def test_what_may_be_a_secret_is_refused_and_left_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    with pytest.raises(InputError, match=re.escape(f"but got '{shown}'")):
        address_of(text)


def _slow_order(path: str) -> list[tuple[list[str | int], str]]:
    """Folder by folder, numbers as numbers."""
    found = []
    for name in path.split("/"):
        pieces = re.split(r"(\d+)", name.casefold())
        found.append(([int(piece) if odd % 2 else piece for odd, piece in enumerate(pieces)], name))
    return found


@given(st.lists(st.text("aAb01é2-. /", min_size=1, max_size=9), max_size=12))
def test_people_count_as_the_slow_order_does(paths: list[str]) -> None:
    assert sorted(paths, key=counting_order) == sorted(paths, key=_slow_order)
