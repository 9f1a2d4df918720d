from __future__ import annotations

import fcntl
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm import ImageError, SettingsError
from zsderm.encoders.colour_constancy import shades_of_grey
from zsderm.pretrain.config import Source
from zsderm.pretrain.data.pack import pack
from zsderm.pretrain.data.records import Record
from zsderm.pretrain.data.sources import read_source
from zsderm.pretrain.data.squares import KeptSquares, Square, Squares

SIDE = 24


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Photographs of several shapes and formats, of which the third is none."""
    rng = np.random.default_rng(0)
    names = ("a.png", "b.jpg", "broken.jpg", "c.png", "d.jpg")
    sizes = ((40, 30), (200, 300), (0, 0), (24, 24), (30, 10))
    (tmp_path / "photos").mkdir()
    for name, (width, height) in zip(names, sizes, strict=True):
        path = tmp_path / "photos" / name
        path.write_bytes(b"not an image")
        if width:
            Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(path)
    return [Record(tmp_path / "photos" / name, 1.0) for name in names]


class Counting(Squares):
    """Squares that count how many of them were decoded, and stop where they are told to."""

    def __init__(self, records: Sequence[Record], side: int, norm: int = 0, stop_after: int = 1000) -> None:
        super().__init__(records, side, norm)
        self.decoded, self.stop_after = 0, stop_after

    def __getitem__(self, index: int) -> Square:
        self.decoded += 1
        if self.decoded > self.stop_after:
            raise KeyboardInterrupt
        return super().__getitem__(index)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("norm", [0, 6])
def test_a_square_is_the_whole_image_squeezed(records: list[Record], norm: int) -> None:
    square = Squares(records, SIDE, norm)[0]
    expected = Image.open(records[0].path).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    expected = shades_of_grey(expected, norm) if norm else expected
    assert square.pixels.shape == (3, SIDE, SIDE) and square.pixels.dtype == torch.uint8
    assert torch.equal(square.pixels.permute(1, 2, 0), torch.from_numpy(np.array(expected)))
    assert square.aspect == pytest.approx(4 / 3)


@pytest.mark.parametrize("norm", [0, 6])
def test_kept_squares_are_the_decoded_ones(records: list[Record], tmp_path: Path, norm: int) -> None:
    decoded = Squares(records, SIDE, norm)
    kept = KeptSquares.made(decoded, tmp_path / "kept")
    assert kept.pixels.shape == (5, 3, SIDE, SIDE) and kept.aspects.dtype == np.float32
    for index in (0, 1, 3, 4):
        one, other = decoded[index], kept[index]
        assert torch.equal(one.pixels, other.pixels) and other.aspect == pytest.approx(one.aspect)
    for squares in (decoded, kept):
        with pytest.raises(ImageError):
            squares[2]
    assert kept.aspects[2] == 0 and not kept.pixels[2].any()


def test_images_are_decoded_once_for_all_runs_beside_each_other(records: list[Record], tmp_path: Path) -> None:
    first = Counting(records, SIDE)
    KeptSquares.made(first, tmp_path / "kept")
    written = files(tmp_path / "kept")
    second = Counting(records, SIDE)
    kept = KeptSquares.made(second, tmp_path / "kept")
    assert (first.decoded, second.decoded) == (5, 0) and files(tmp_path / "kept") == written and len(written) == 2
    for other in (Squares(records, SIDE + 1), Squares(records, SIDE, norm=6), Squares(records[:4], SIDE)):
        KeptSquares.made(other, tmp_path / "kept")
    assert len(files(tmp_path / "kept")) == 8, "another size, another preprocessing, other images: other files"
    assert torch.equal(kept[0].pixels, Squares(records, SIDE)[0].pixels)


@pytest.mark.parametrize("change", ["content", "date", "gone"])
def test_a_changed_file_is_decoded_anew(records: list[Record], tmp_path: Path, change: str) -> None:
    before = KeptSquares.made(Squares(records, SIDE), tmp_path / "kept")[0].pixels
    path = records[0].path
    stat = path.stat()
    Image.new("RGB", (40, 30), "blue").save(path)
    if change == "date":  # as large as before
        path.write_bytes(path.read_bytes().ljust(stat.st_size, b"\0"))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    elif change == "gone":
        path.unlink()
    after = KeptSquares.made(Squares(records, SIDE), tmp_path / "kept")
    if change == "gone":
        with pytest.raises(ImageError):
            after[0]
    else:
        assert not torch.equal(before, after[0].pixels)
        assert after[0].pixels[:, 5, 5].tolist() == [0, 0, 255]


def test_an_interrupted_run_leaves_no_file_and_the_next_one_makes_it(records: list[Record], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        KeptSquares.made(Counting(records, SIDE, stop_after=3), tmp_path / "kept")
    assert files(tmp_path / "kept") == []
    KeptSquares.made(Squares(records, SIDE), tmp_path / "kept")
    beside = next(path for path in (tmp_path / "kept").iterdir() if "aspects" in path.name)
    beside.unlink()  # as if it had stopped between its two files
    again = Counting(records, SIDE)
    assert KeptSquares.made(again, tmp_path / "kept")[0].aspect == pytest.approx(4 / 3) and again.decoded == 5


KILLED = """
import os, signal, sys
from pathlib import Path
from zsderm.pretrain.data.records import Record
from zsderm.pretrain.data.squares import KeptSquares, Squares

class Killed(Squares):
    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGKILL)

KeptSquares.made(Killed([Record(Path(sys.argv[1]), 1.0)], 24), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_the_draft_of_a_killed_run_is_removed_by_the_next_one_and_that_of_a_living_run_is_not(
    records: list[Record], tmp_path: Path
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, records[0].path, tmp_path / "kept"], check=False)
    assert done.returncode == -signal.SIGKILL and len(files(tmp_path / "kept")) == 1, "a draft is left"
    living = tmp_path / "kept" / ".draft-living.npy"
    with living.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        KeptSquares.made(Squares(records, SIDE), tmp_path / "kept")
        assert living.exists() and len(files(tmp_path / "kept")) == 3
    KeptSquares.made(Squares(records, SIDE + 1), tmp_path / "kept")
    assert not living.exists()


def test_two_runs_that_begin_together_share_one_file(records: list[Record], tmp_path: Path) -> None:
    together = Barrier(2)

    def begin(_: int) -> KeptSquares:
        together.wait()
        return KeptSquares.made(Squares(records, SIDE), tmp_path / "kept")

    with ThreadPoolExecutor(2) as pool:
        kept = list(pool.map(begin, range(2)))
    expected = Squares(records, SIDE)[1].pixels
    assert all(torch.equal(squares[1].pixels, expected) for squares in kept)
    assert len(files(tmp_path / "kept")) == 2, "and no draft"


def test_a_place_that_cannot_be_written_is_a_sentence(records: list[Record], tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    with pytest.raises(SettingsError, match="cannot write"):
        KeptSquares.made(Squares(records, SIDE), tmp_path / "kept")


def test_squares_of_shards_are_those_of_the_files(records: list[Record], tmp_path: Path) -> None:
    names = [f"photos/{record.path.name}" for record in records]
    (tmp_path / "captions.csv").write_text("\n".join(["filename,caption", *(f"{name},skin" for name in names)]) + "\n")
    _, errors = pack(Source("captions.csv"), tmp_path, tmp_path / "shards", per_shard=2)
    packed = read_source(Source("shards/*.tar"), tmp_path)
    assert len(packed) == 5 - len(errors) and all(record.span for record in packed)
    assert len({record.path for record in packed}) > 1, "several shards"
    kept = KeptSquares.made(Squares(packed, SIDE), tmp_path / "kept")
    plain = [record for record in records if f"photos/{record.path.name}" not in errors]
    for index, record in enumerate(plain):
        if record.path.name != "broken.jpg":
            assert torch.equal(kept[index].pixels, Squares([record], SIDE)[0].pixels)
    first, second = packed[:2]
    assert first.path == second.path
    for pair in ([first, second], [second, first]):
        made = KeptSquares.made(Squares(pair, SIDE), tmp_path / "kept")
        assert torch.equal(made[0].pixels, Squares(pair, SIDE)[0].pixels), "images of one shard in another order"


def test_another_process_maps_the_file_and_is_sent_no_copy(records: list[Record], tmp_path: Path) -> None:
    kept = KeptSquares.made(Squares(records, SIDE), tmp_path / "kept")
    sent = pickle.dumps(kept)
    assert len(sent) < 1000
    assert torch.equal(pickle.loads(sent)[3].pixels, kept[3].pixels)
    square = kept[3].pixels
    square.zero_()
    assert kept.pixels[3].any(), "what is handed out may be changed"
