from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zsderm.errors import ImageError, InputError, WrongTypeError
from zsderm.images import find, named, open_image, passed_over_text


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPE"])
def test_jpeg_files_by_their_other_suffixes_are_read(tmp_path: Path, photo: Image.Image, suffix: str) -> None:
    photo.save(tmp_path / f"a{suffix}", "JPEG")
    assert [open_image(path).size for path in find(tmp_path)] == [photo.size]


def test_what_is_passed_over_is_counted_by_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.DNG", "c/d.dng", "c/e.cr2", "f.raf", "IMG_0001", "labels.csv", ".hidden.dng")
    os.symlink(tmp_path / "c", tmp_path / "link")
    counted: Counter[str] = Counter()
    assert find(tmp_path, passed_over=counted) == [tmp_path / "a.jpg"]
    wanted = {".dng": 2, ".cr2": 1, ".raf": 1, ".csv": 1, "no suffix": 1, "linked folder": 1}
    assert counted == wanted and named(tmp_path).passed_over == wanted
    text = "2 .dng, 1 .cr2, 1 .csv, 1 .raf, 1 linked folder, 1 without a suffix"
    assert passed_over_text(counted) == text
    assert passed_over_text({f".{number}": 1 for number in range(10)}).endswith("1 .7, 2 others")
    assert passed_over_text({}) == ""


def test_a_folder_of_nothing_but_dng_says_so(tmp_path: Path) -> None:
    touch(tmp_path, "1.dng", "2.dng")
    with pytest.raises(ImageError, match=r"holds no images.*Passed over: 2 \.dng"):
        find(tmp_path)


def test_a_folder_of_tar_files_says_how_they_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "shard-000000.tar", "shard-000001.tar")
    with pytest.raises(ImageError, match=r"Passed over: 2 \.tar\. Name tar files with a pattern: '.*/\*\.tar'"):
        find(tmp_path)


def test_links_are_followed_when_asked_and_each_folder_is_gone_through_once(tmp_path: Path) -> None:
    touch(tmp_path, "photos/1.jpg", "photos/deep/2.jpg", "elsewhere/3.jpg", "elsewhere/more/4.jpg")
    photos = tmp_path / "photos"
    os.symlink(tmp_path / "elsewhere", photos / "linked")
    os.symlink(photos, photos / "deep" / "up")  # a circle
    os.symlink(tmp_path / "elsewhere" / "more", photos / "twice")
    counted: Counter[str] = Counter()
    found = [path.relative_to(photos).as_posix() for path in find(photos, follow_links=True, passed_over=counted)]
    assert found == ["1.jpg", "deep/2.jpg", "linked/3.jpg", "linked/more/4.jpg"] and not counted
    assert len(find([photos, photos], follow_links=True)) == 8  # what is named twice is meant twice


def test_a_link_in_a_circle_or_below_a_file_is_one_row_and_not_the_end(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    os.symlink("loop.jpg", tmp_path / "loop.jpg")
    os.symlink("/etc/passwd/x.jpg", tmp_path / "x.jpg")
    os.symlink("round", tmp_path / "round")
    for follow in (False, True):
        counted: Counter[str] = Counter()
        assert [path.name for path in find(tmp_path, follow_links=follow, passed_over=counted)] == [
            "a.jpg",
            "loop.jpg",
            "x.jpg",
        ]
        assert counted == {"no suffix": 1}


def test_folders_may_lie_deeper_than_python_can_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = Path("/".join(["d"] * 1500))
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
    Path("1.jpg").touch()
    os.chdir(tmp_path)
    try:
        assert find(".") == [deep / "1.jpg"]
    finally:  # pytest cannot take it away again: it calls itself for each folder
        os.chdir(deep)
        os.remove("1.jpg")
        for _ in range(1500):
            os.chdir("..")
            os.rmdir("d")


def test_an_empty_name_is_not_the_folder_one_is_in() -> None:
    with pytest.raises(ImageError, match="empty name"):
        find("")


@pytest.mark.parametrize(
    "images",
    [None, 5, b"photos", [None], ["a.jpg", 5], [np.zeros((8, 8, 3))], {"a": 1}, {}, np.zeros((8, 8), np.uint8)],
)
def test_what_is_no_photograph_is_a_sentence_and_a_type_error(images: object) -> None:
    for search in (find, named):
        with pytest.raises(TypeError, match=r"^Expected (a folder, a path|pixels as).* but got") as caught:
            search(images)
        assert isinstance(caught.value, InputError)


def test_pixels_are_photographs_and_stay_as_they_are(photo: Image.Image) -> None:
    pixels = np.asarray(photo)
    found = named([pixels, pixels[:, ::-1], photo])
    assert found.names == ("image_0", "image_1", "image_2")
    assert (np.asarray(found.sources[0]) == pixels).all() and (np.asarray(found.sources[1]) == pixels[:, ::-1]).all()
    assert len(named(pixels).names) == 1


@pytest.mark.parametrize(
    ("pixels", "hint"),
    [
        (np.zeros((8, 8, 3)), "float64.*astype"),
        (np.zeros((8, 8, 4), np.uint8), r"\(8, 8, 4\) uint8"),
        (np.zeros((2, 8, 8, 3), np.uint8), "list of arrays"),
        (np.zeros((0, 8, 3), np.uint8), r"\(0, 8, 3\)"),
    ],
)
def test_other_arrays_are_refused_with_what_would_do(pixels: np.ndarray, hint: str) -> None:
    with pytest.raises(WrongTypeError, match=rf"an array of \(H, W, 3\) uint8, but got .*{hint}"):
        named(pixels)


def test_photographs_may_come_one_by_one(tmp_path: Path, photo: Image.Image) -> None:
    assert named(iter([tmp_path / "a.jpg", photo])).names == (str(tmp_path / "a.jpg"), "image_1")
