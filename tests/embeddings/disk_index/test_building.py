from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zsderm.embeddings.disk_index import DiskIndex, Marks, build
from zsderm.embeddings.disk_index.shards import Shard
from zsderm.errors import CheckpointError, SettingsError

WIDTH, COUNT, SHARD = 16, 8000, 500
MARKS = Marks("a", "b", COUNT, WIDTH)
# Each shard takes a while, so that a kill comes between two of them.
BUILD = """
import sys, time
import numpy as np
from pathlib import Path
from zsderm.embeddings.disk_index import Marks, build
from zsderm.embeddings.disk_index.shards import Shard
whole = Shard.write
def slow(shard, path):
    whole(shard, path)
    print(path.name, flush=True)
    time.sleep(0.05)
Shard.write = slow
rows = np.load(sys.argv[1], mmap_mode="r")
build(Path(sys.argv[2]), rows, Marks("a", "b", *rows.shape), shard_rows=500)
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    points = np.random.default_rng(0).normal(size=(COUNT, WIDTH)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[::100] = np.nan
    np.save(path := tmp_path_factory.mktemp("rows") / "rows.npy", points)
    return path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first rows of the shards that are made, not read."""
    found: list[int] = []
    of = Shard.of

    def counted(rows: np.ndarray, stretch: range, *others: object) -> Shard:
        found.append(stretch.start)
        return of(rows, stretch, *others)

    monkeypatch.setattr(Shard, "of", counted)
    return found


def begun_and_killed(rows: Path, folder: Path, shards: int) -> None:
    """A build that is killed when it has written so many shards."""
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, str(rows), str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(shards):
            assert process.stdout.readline().startswith("shard-")
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("shards", [1, 7, 16])
def test_a_build_that_was_killed_goes_on_and_gives_the_same(
    tmp_path: Path, rows: Path, made: list[int], shards: int
) -> None:
    begun_and_killed(rows, tmp_path / "killed", shards)
    with pytest.raises(CheckpointError, match="no index"):
        DiskIndex.load(tmp_path / "killed", MARKS)
    index = build(tmp_path / "killed", np.load(rows), MARKS)
    assert made == list(range(shards * SHARD, COUNT, SHARD))  # what was there is not made again, nor in other shards
    whole = build(tmp_path / "whole", np.load(rows), MARKS, shard_rows=SHARD)
    assert len(index) == len(whole) == COUNT - COUNT // 100
    queries = np.load(rows)[1:40]
    for mine, theirs in zip(index.search(queries, 20), whole.search(queries, 20), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {
        path.name for path in (tmp_path / "whole").iterdir()
    }


def stop_after(monkeypatch: pytest.MonkeyPatch, shards: int) -> None:
    write = Shard.write
    left = [shards]

    def stopping(shard: Shard, path: Path) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(shard, path)

    monkeypatch.setattr(Shard, "write", stopping)


@pytest.mark.parametrize("harm", ["cut", "flipped", "another"])
def test_a_shard_that_was_damaged_is_made_again(
    tmp_path: Path, rows: Path, made: list[int], monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    points = np.load(rows)
    with monkeypatch.context() as patched:
        stop_after(patched, 3)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path, points, MARKS, shard_rows=SHARD)
    path = tmp_path / "shard-000001.npz"
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "cut": content[:middle],
            "flipped": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
            "another": (tmp_path / "shard-000000.npz").read_bytes(),
        }[harm]
    )
    made.clear()
    index = build(tmp_path, points, MARKS)
    assert made == [SHARD, *range(3 * SHARD, COUNT, SHARD)] and len(index) == COUNT - COUNT // 100


@pytest.mark.parametrize("name", ["begun.json", "begun.npz"])
def test_a_build_whose_beginning_was_damaged_begins_again(
    tmp_path: Path, rows: Path, made: list[int], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    points = np.load(rows)
    with monkeypatch.context() as patched:
        stop_after(patched, 3)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path, points, MARKS, shard_rows=SHARD)
    (tmp_path / name).write_bytes(b"damaged")
    made.clear()
    assert len(build(tmp_path, points, MARKS, shard_rows=SHARD)) == COUNT - COUNT // 100
    assert made == list(range(0, COUNT, SHARD))


def test_what_was_begun_of_other_rows_is_not_gone_on_with(
    tmp_path: Path, rows: Path, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = np.load(rows)
    with monkeypatch.context() as patched:
        stop_after(patched, 3)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path, points, MARKS, shard_rows=SHARD)
    made.clear()
    build(tmp_path, points, Marks("other", "b", COUNT, WIDTH), shard_rows=SHARD)
    assert made == list(range(0, COUNT, SHARD))


@pytest.mark.slow
def test_a_second_process_waits_for_the_first_and_builds_nothing(tmp_path: Path, rows: Path, made: list[int]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BUILD, str(rows), str(tmp_path / "i")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline().startswith("shard-")
        index = build(tmp_path / "i", np.load(rows), MARKS)
        assert process.wait() == 0
    assert made == [] and len(index) == COUNT - COUNT // 100


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, rows: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises((SettingsError, OSError)):
        build(tmp_path / "file" / "index", np.load(rows), MARKS)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """What a build holds at once is a shard, a block and the sample: rows are asked for in stretches, never whole."""
    asked: list[int] = []

    class Rows:
        shape = (COUNT, WIDTH)

        def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
            places = np.arange(COUNT)[which]
            asked.append(len(places))
            points = np.random.default_rng(0).normal(size=(COUNT, WIDTH)).astype(np.float32)[places]
            return points / np.linalg.norm(points, axis=1, keepdims=True)

    build(tmp_path, Rows(), MARKS, shard_rows=SHARD)
    sample, *blocks = asked
    assert sample <= 40 * 2 * COUNT**0.5 and max(blocks) == SHARD and sum(blocks) == COUNT
