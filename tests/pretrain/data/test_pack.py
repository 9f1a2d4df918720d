"""What gets into a shard: images that can be decoded, of the data folder alone, under a suffix that is read back."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.images.dicom_files import PATIENT, picture, several
from tests.images.test_containers import encoded as contained
from zsderm import PretrainingDataError, SettingsError
from zsderm.cli import main
from zsderm.images import open_image
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.pack import pack
from zsderm.pretrain.data.sources import read_source

PNG_NAMES = ("a.png", "UPPER.PNG", "none", "lie.txt")
JPEG_NAMES = ("b.jpg", "c.jpe", "d.jfif", "e.JPEG", "f.JFIF", "g.photo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    (data / "tables").mkdir(parents=True)
    for names, kind in ((PNG_NAMES, "PNG"), (JPEG_NAMES, "JPEG")):
        for name in names:
            Image.new("RGB", (8, 8), "red").save(data / name, kind)
    (data / "secret.txt").write_text("TOP SECRET")
    Image.new("RGB", (8, 8)).save(tmp_path / "outside.png")
    (data / "link.png").symlink_to(tmp_path / "outside.png")
    (data / "loop.png").symlink_to("loop.png")
    os.mkfifo(data / "pipe.png")
    return data


def write(folder: Path, *names: str) -> Path:
    (folder / "t.csv").write_text("filename,caption\n" + "".join(f"{name},red\n" for name in names))
    return folder / "t.csv"


def run(*arguments: object) -> Result:
    whatever = {"ZSDERM_DATA": None}  # where the data sets of whoever runs the tests lie
    return CliRunner(env=whatever).invoke(main, ["pretrain", "pack", *map(str, arguments)])


def test_whatever_suffix_is_packed_can_be_read_back(folder: Path) -> None:
    write(folder, *PNG_NAMES, *JPEG_NAMES)
    shards, errors = pack(Source("t.csv"), folder, folder / "shards")
    assert not errors and len(read_source(Source("shards/*.tar"), folder)) == len(PNG_NAMES) + len(JPEG_NAMES)
    with tarfile.open(shards[0]) as tar:
        suffixes = [Path(name).suffix for name in tar.getnames() if not name.endswith(".json")]
    assert suffixes == [".png"] * len(PNG_NAMES) + [".jpg"] * len(JPEG_NAMES)


def test_heic_is_packed_as_it_is_and_of_dicom_the_picture_alone(folder: Path) -> None:
    images = [picture(0), picture(1)]
    (folder / "two.dcm").write_bytes(several(images))
    (folder / "a.heic").write_bytes(contained(images[0], "HEIF"))
    (folder / "b.avif").write_bytes(contained(images[0], "AVIF"))
    (folder.parent / "outside.dcm").write_bytes(several(images))
    (folder / "link.dcm").symlink_to(folder.parent / "outside.dcm")
    write(folder, "two.dcm#2", "a.heic", "b.avif", "link.dcm#1", "two.dcm#3")
    shards, errors = pack(Source("t.csv"), folder, folder / "shards")
    assert "outside of the data folder" in errors.pop("link.dcm#1") and "no picture 3" in errors.pop("two.dcm#3")
    assert not errors and len(read_source(Source("shards/*.tar"), folder)) == 3
    with tarfile.open(shards[0]) as tar:
        names = [name for name in tar.getnames() if not name.endswith(".json")]
        assert [Path(name).suffix for name in names] == [".png", ".heic", ".avif"]
        png, heic, _ = (tar.extractfile(name).read() for name in names)
    assert PATIENT.encode() not in shards[0].read_bytes() and heic == (folder / "a.heic").read_bytes()
    assert open_image(png).tobytes() == images[1].tobytes()


def test_what_is_no_image_of_the_data_folder_is_left_out_with_a_reason(folder: Path) -> None:
    outside = ("/etc/passwd", "../outside.png", f"{folder.parent}/outside.png", "link.png", "loop.png")
    table = write(folder, "a.png", *outside, "secret.txt", "pipe.png", "tables", "gone.png", "")
    done = run(table, "--output", folder / "shards")
    assert done.exit_code == 0, done.output
    for name in outside:
        assert f"left out: {name}: it lies outside of the data folder; allow that with --allow-outside" in done.stderr
    for name in (
        "secret.txt: not an image",
        "pipe.png: not a regular file",
        "gone.png: no such file",
        "tables: a fold",
    ):
        assert f"left out: {name}" in done.stderr
    assert "row 12: the cell that names the image is empty" in done.stderr
    with tarfile.open(done.stdout.strip()) as tar:
        assert tar.getnames() == ["000000000.png", "000000000.json"]


def test_images_elsewhere_are_packed_when_that_is_allowed(folder: Path) -> None:
    table = write(folder / "tables", "../a.png")
    assert "outside of the data folder" in run(table, "--output", folder / "one").stderr
    assert run(table, "--output", folder / "two", "--data-root", folder).exit_code == 0
    write(folder / "tables", "../../outside.png", "../link.png")
    assert run(table, "--output", folder / "three", "--data-root", folder).exit_code == 1
    done = run(table, "--output", folder / "four", "--allow-outside")
    assert done.exit_code == 0 and "left out" not in done.stderr


def test_nothing_to_pack_is_a_failure_and_writes_nothing(folder: Path) -> None:
    done = run(write(folder, "secret.txt", "gone.png"), "--output", folder / "shards")
    assert done.exit_code == 1 and not list(folder.glob("shards/*"))
    assert "None of the 2 images of" in done.stderr and "secret.txt: not an image" in done.stderr


def test_a_shard_without_images_is_not_written(folder: Path) -> None:
    write(folder, "gone.png", "gone.png", "a.png")
    shards, _ = pack(Source("t.csv"), folder, folder / "shards", per_shard=2)
    assert [shard.name for shard in shards] == ["shard-000000.tar"]


def test_shards_of_two_runs_do_not_mix(folder: Path) -> None:
    write(folder, "a.png")
    pack(Source("t.csv"), folder, folder / "shards")
    with pytest.raises(SettingsError, match="is there already"):
        pack(Source("t.csv"), folder, folder / "shards")
    with pytest.raises(SettingsError, match="is there already"):
        pack(Source("shards/*.tar"), folder, folder / "shards")


def test_words_that_are_no_unicode_are_packed_and_read_back(folder: Path) -> None:
    (folder / "t.jsonl").write_text('{"image": "a", "caption": "red \\ud800 spot", "sub_caption_mask": null}\n')
    pack(Source("t.jsonl"), folder, folder / "shards")
    (record,) = read_source(Source("shards/*.tar"), folder)
    assert record.captions[0] == "red ? spot"


def test_the_image_column_can_be_named(folder: Path) -> None:
    (folder / "t.csv").write_text("bild,image,caption\na.png,none at all,red\n")
    assert run(folder / "t.csv", "--output", folder / "one").exit_code == 1
    assert run(folder / "t.csv", "--output", folder / "two", "--image-column", "bild").exit_code == 0
    with pytest.raises(PretrainingDataError, match="expected a column 'photo'"):
        read_source(Source("t.csv", image_column="photo"), folder)
