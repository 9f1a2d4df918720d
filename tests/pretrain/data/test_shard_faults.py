"""Shards with samples that are not complete: a row with a reason each, and the others are read."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from zsderm import PretrainingDataError
from zsderm.cli import main
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.sources import read_rows, read_source
from zsderm.pretrain.data.validation import validate

WORDS = b'{"caption": "red"}'


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = png()
WHOLE = [("0.png", PICTURE), ("0.json", WORDS)]


def write_tar(path: Path, files: Sequence[tuple[str, bytes]], kind: int = tarfile.PAX_FORMAT) -> None:
    with tarfile.open(path, "w", format=kind) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            if content == b"link":
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            member.size = 0 if content == b"link" else len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([("__stats.json", b"{}")], "expected an image and a .json file, but got __stats.json"),
        ([("1.png", PICTURE)], "expected an image and a .json file, but got 1.png"),
        ([("1.json", WORDS), ("1.txt", b"red")], "expected an image and a .json file"),
        ([("1.png", PICTURE), ("1.jpg", PICTURE), ("1.json", WORDS)], "expected an image"),
        ([("1.png", PICTURE), ("1.png", PICTURE), ("1.json", WORDS)], "expected an image"),
        ([("1.png", PICTURE), ("1.json", WORDS), ("1.json", WORDS)], "expected one .json file"),
        ([("1.png", PICTURE), ("1.json", b"{")], "expected JSON in 1.json"),
        ([("1.png", PICTURE), ("1.json", b"[" * 100_000)], "expected JSON in 1.json"),
        ([("1.png", PICTURE), ("1.json", b"[1]")], "expected an object in 1.json"),
        ([("1.png", PICTURE), ("1.txt", "café".encode("cp1252"))], "expected 1.txt in UTF-8"),
        ([("1.png", PICTURE), ("1.txt", b"x" * 1_000_001)], "expected the words of an image"),
        ([("1.png", b"link"), ("1.json", WORDS)], "but got 1.json"),
        ([("1.2.png", PICTURE), ("1.2.json", WORDS)], "expected an image"),
    ],
)
def test_a_sample_that_is_not_complete_is_a_row_with_a_reason(
    tmp_path: Path, files: list[tuple[str, bytes]], reason: str
) -> None:
    write_tar(tmp_path / "one.tar", [*WHOLE, *files, ("9.png", PICTURE[:40]), ("9.json", WORDS)])
    report = validate([Source("one.tar")], tmp_path)
    assert [problem.row for problem in report.problems] == [2, 3] and report.rows == 3
    assert report.problems[0].kind == "no image to be had" and reason in report.problems[0].reason
    assert report.problems[1].kind == "unreadable image"
    assert len(read_source(Source("one.tar"), tmp_path)) == 2, "training goes on without it"


def test_most_samples_without_an_image_stop_the_run(tmp_path: Path) -> None:
    write_tar(tmp_path / "one.tar", [*WHOLE, ("1.png", PICTURE), ("2.json", WORDS)])
    with pytest.raises(PretrainingDataError, match=r"2 of 3 rows of one\.tar .* sample 2: expected an image"):
        read_source(Source("one.tar"), tmp_path)


@pytest.mark.parametrize(
    ("files", "caption"),
    [
        ([("0.png", PICTURE), ("0.json", b'{"width": 8}'), ("0.txt", b"blue\n")], "blue"),
        ([("0.png", PICTURE), ("0.json", b'{"caption": NaN}'), ("0.txt", b"blue\n")], "blue"),
        ([("0.png", PICTURE), ("0.json", WORDS), ("0.txt", b"blue\n")], "red"),
        ([("0.png", PICTURE), ("0.json", b'{"caption": "a \\ud800 b"}')], "a ? b"),
        ([("._0.png", b"x"), ("0.png", PICTURE), ("._0.json", b"x"), ("0.json", WORDS)], "red"),
        ([("0.PNG", PICTURE), ("0.JSON", WORDS)], "red"),
        ([("0.jfif", PICTURE), ("0.json", WORDS)], "red"),
        ([("0.jpe", PICTURE), ("0.json", WORDS)], "red"),
        ([("0", PICTURE), ("0.json", WORDS)], "red"),
    ],
)
def test_words_and_images_are_found_under_every_usual_name(
    tmp_path: Path, files: list[tuple[str, bytes]], caption: str
) -> None:
    write_tar(tmp_path / "one.TAR", files)
    (record,) = read_source(Source("one.TAR"), tmp_path)
    assert record.captions[0] == caption
    assert not validate([Source("one.TAR")], tmp_path).problems


def test_a_label_that_is_null_is_no_label_called_none(tmp_path: Path) -> None:
    write_tar(tmp_path / "one.tar", [("0.png", PICTURE), ("0.json", b'{"label": null}')])
    with pytest.raises(PretrainingDataError, match="the cell 'label' is empty"):
        read_source(Source("one.tar"), tmp_path)


def test_a_name_that_is_not_utf8_can_be_reported(tmp_path: Path) -> None:
    files = [("caf\udce9.png", PICTURE[:40]), ("caf\udce9.json", WORDS)]
    write_tar(tmp_path / "one.tar", files, tarfile.GNU_FORMAT)
    done = CliRunner().invoke(main, ["pretrain", "validate", str(tmp_path / "one.tar")])
    assert done.exit_code == 1 and r"caf\udce9.png,unreadable image" in done.stdout


@pytest.mark.parametrize("kind", ["folder", "pipe", "closed"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    shard = tmp_path / "one.tar"
    if kind == "pipe":
        os.mkfifo(shard)
    elif kind == "folder":
        shard.mkdir()
    else:
        shard.symlink_to(shard)
    with pytest.raises(PretrainingDataError, match="shard"):
        list(read_rows(Source("*.tar"), tmp_path))
