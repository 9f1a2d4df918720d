"""Which file a name in a table means, and whether it is inside a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zsderm.pretrain.data.image_files import ImageFiles, is_inside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Sub").mkdir()
    for name in ("a.png", "b.JPG", "Sub/c.jpg", "café.png", "twice.jpg", "twice.png", "a.json", "plain", "v1.7.png"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.png", "a.png"),
        ("a", "a.png"),
        ("A.PNG", "a.png"),
        ("./a.png", "a.png"),
        ("b.jpg", "b.JPG"),
        ("Sub\\c.jpg", "Sub/c.jpg"),
        ("Sub/c", "Sub/c.jpg"),
        ("cafe\u0301.png", "café.png"),
        ("plain", "plain"),
        ("plain.jpg", "plain"),
        ("v1.7", "v1.7.png"),
    ],
)
def test_a_name_finds_its_file_in_another_spelling(folder: Path, name: str, found: str) -> None:
    assert ImageFiles(folder).find(name) == (folder / found, "")


@pytest.mark.parametrize("name", ["a.jpg", "none.png", "c.jpg", "Sub/a.png", "x" * 300, "a\0.png", "/none/a.png"])
def test_another_format_or_folder_is_another_image(folder: Path, name: str) -> None:
    assert ImageFiles(folder).find(name) == (folder / name, "")


def test_a_name_that_may_mean_two_files_says_so(folder: Path) -> None:
    assert ImageFiles(folder).find("twice") == (
        folder / "twice",
        "the name may mean twice.jpg or twice.png; write its suffix",
    )


def test_links_and_dots_lead_out_of_a_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "o.png").touch()
    (folder / "link.png").symlink_to(other / "o.png")
    (folder / "linked").symlink_to(other)
    (folder / "loop.png").symlink_to("loop.png")
    outside = [other / "o.png", folder / "link.png", folder / "linked" / "o.png", folder / "loop.png"]
    outside += [folder / ".." / other.name / "o.png", folder / "a\0.png"]
    assert not any(is_inside(path, [folder]) for path in outside)
    assert is_inside(folder / "Sub" / ".." / "a.png", [folder]) and is_inside(other / "o.png", [folder, other])
    os.remove(folder / "loop.png")
