"""Photographs into a data set: the rows of `embed_images`, however often the work was stopped, whoever did it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from zsderm.benchmarks.speed.folder_memory import Thumbnail
from zsderm.embeddings import DatasetFolder, LocalEngine, embed_dataset, embed_images, read_embeddings
from zsderm.errors import InputError, SettingsError
from zsderm.images import walk

PART = 3


def content(folder: Path) -> dict[str, bytes]:
    """The parts and the list, but not the manifest: that says when it was made."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix == ".parquet"}


@pytest.fixture
def photographs(paths: list[Path]) -> list[Path]:
    """Ten files: pictures, one that is empty, and one whose name is not UTF-8."""
    folder = paths[0].parent
    (folder / "3.png").write_bytes(b"")
    strange = Path(os.fsdecode(os.fsencode(folder) + b"/8\xff.png"))
    try:
        strange.write_bytes(paths[0].read_bytes())
    except OSError:  # macOS
        strange = folder / "8.png"
        strange.write_bytes(paths[0].read_bytes())
    for name in ("7.png", "9.png"):
        (folder / name).write_bytes(paths[int(name[0]) % 3].read_bytes())
    return sorted(folder.iterdir())


@pytest.mark.parametrize("batch_size", [1, 2, 64])
@pytest.mark.parametrize("part_rows", [1, 3, 100])
def test_rows_are_those_of_embed_images(
    tiny_encoder, photographs: list[Path], tmp_path: Path, batch_size: int, part_rows: int
) -> None:
    engine = LocalEngine(tiny_encoder, batch_size=batch_size)
    dataset = embed_dataset(tmp_path / "rows", tiny_encoder, photographs, engine=engine, part_rows=part_rows)
    expected = embed_images(tiny_encoder, photographs)
    stored = read_embeddings(tmp_path / "rows", tiny_encoder, 1)
    rows = stored.features[:]
    np.testing.assert_allclose(rows[expected.ok], expected.features[expected.ok], atol=1e-6)
    assert np.isnan(rows[~expected.ok]).all() and expected.errors == {3: "the file is empty"}
    assert list(stored.errors) == [expected.errors.get(row, "") for row in range(10)]
    assert [os.fsencode(Path(name).name)[:1] for name in stored.images] == [b"%d" % number for number in range(10)]
    assert dataset.finished is not None and dataset.finished["failed"] == 1
    (listed,) = DatasetFolder.open(tmp_path / "rows").images([0])
    assert listed == list(map(str, photographs))[:part_rows]


def test_a_second_run_makes_nothing_and_changes_nothing(tiny_encoder, photographs, tmp_path: Path) -> None:
    embed_dataset(tmp_path / "rows", tiny_encoder, photographs, part_rows=PART)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "rows").iterdir()}
    encoded = tiny_encoder.images_encoded
    asked: list[int] = []
    embed_dataset(tmp_path / "rows", tiny_encoder, photographs, begun=lambda dataset, missing: asked.append(missing))
    assert tiny_encoder.images_encoded == encoded and asked == [0]
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "rows").iterdir()} == before


@pytest.mark.parametrize("gone", [[0], [3], [1, 2], [0, 1, 2, 3]])
def test_parts_that_are_missing_are_made_with_the_same_bytes_and_no_others(
    tiny_encoder, photographs, tmp_path: Path, gone: list[int]
) -> None:
    engine = LocalEngine(tiny_encoder, batch_size=2)
    dataset = embed_dataset(tmp_path / "rows", tiny_encoder, photographs, engine=engine, part_rows=PART)
    before, encoded = content(tmp_path / "rows"), tiny_encoder.images_encoded
    for part in gone:
        (tmp_path / "rows" / dataset.part_name(part)).unlink()
    embed_dataset(tmp_path / "rows", tiny_encoder, photographs, engine=engine)
    assert content(tmp_path / "rows") == before
    again = sum(len(dataset.facts.rows(part)) for part in gone)
    assert tiny_encoder.images_encoded - encoded == again - (1 in gone), "the empty file is in part 1"


def test_an_encoder_that_fails_on_the_way_leaves_whole_parts(tiny_encoder, photographs, tmp_path: Path) -> None:
    whole = embed_dataset(tmp_path / "whole", tiny_encoder, photographs, part_rows=PART)
    plain, calls = tiny_encoder.encode_pixels, []

    def failing(pixels: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(pixels)

    tiny_encoder.encode_pixels = failing
    with pytest.raises(KeyboardInterrupt):
        embed_dataset(tmp_path / "rows", tiny_encoder, photographs, part_rows=PART)
    tiny_encoder.encode_pixels = plain
    there = DatasetFolder.open(tmp_path / "rows")
    assert (there.missing(), there.finished) == ([2, 3], None)
    embed_dataset(tmp_path / "rows", tiny_encoder, photographs, part_rows=PART)
    assert content(tmp_path / "rows") == content(tmp_path / "whole") and whole.facts.parts == 4


def test_a_part_that_was_damaged_meanwhile_is_not_passed_over(tiny_encoder, photographs, tmp_path: Path) -> None:
    dataset = embed_dataset(tmp_path / "rows", tiny_encoder, photographs, part_rows=PART)
    before = content(tmp_path / "rows")
    (tmp_path / "rows" / dataset.part_name(3)).unlink()
    (tmp_path / "rows" / dataset.part_name(1)).write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"cannot read 'part-000001\.parquet'.*Delete that file"):
        embed_dataset(tmp_path / "rows", tiny_encoder, photographs)
    (tmp_path / "rows" / dataset.part_name(1)).unlink()
    embed_dataset(tmp_path / "rows", tiny_encoder, photographs)
    assert content(tmp_path / "rows") == before


@pytest.mark.parametrize("damage", ["empty", "cut off"])
@pytest.mark.parametrize("name", ["part-000001.parquet", "images.parquet"])
@pytest.mark.parametrize("finished", [True, False], ids=["finished", "begun"])
def test_a_file_that_is_cut_off_is_noticed_before_any_work(
    tiny_encoder, photographs, tmp_path: Path, name: str, damage: str, finished: bool
) -> None:
    dataset = embed_dataset(tmp_path / "rows", tiny_encoder, photographs, part_rows=PART)
    before = content(tmp_path / "rows")
    if not finished:
        (tmp_path / "rows" / dataset.part_name(3)).unlink()
        DatasetFolder(dataset.folder, dataset.facts)._write_manifest()
    file = tmp_path / "rows" / name
    file.write_bytes(b"" if damage == "empty" else file.read_bytes()[:-9])

    def nobody(*_: object) -> None:
        raise AssertionError("work was begun")

    with pytest.raises(
        InputError, match=rf"cannot read '{re.escape(name)}' of the data set .*Delete that file and run"
    ):
        embed_dataset(tmp_path / "rows", tiny_encoder, photographs, engine=nobody)
    file.unlink()
    embed_dataset(tmp_path / "rows", tiny_encoder, photographs)
    assert content(tmp_path / "rows") == before


def test_a_part_in_the_place_of_another_is_noticed_before_any_work(tiny_encoder, photographs, tmp_path: Path) -> None:
    dataset = embed_dataset(tmp_path / "rows", tiny_encoder, photographs, part_rows=PART)
    before = content(tmp_path / "rows")
    first, second = (tmp_path / "rows" / dataset.part_name(part) for part in (0, 1))
    second.write_bytes(first.read_bytes())
    with pytest.raises(InputError, match=r"cannot read 'part-000001\.parquet'.*it is another part\. Delete that file"):
        embed_dataset(tmp_path / "rows", tiny_encoder, photographs)
    second.unlink()
    embed_dataset(tmp_path / "rows", tiny_encoder, photographs)
    assert content(tmp_path / "rows") == before


def test_another_number_of_views_is_refused_in_a_folder_that_was_begun(tiny_encoder, photographs, tmp_path) -> None:
    embed_dataset(tmp_path / "rows", tiny_encoder, photographs)
    with pytest.raises(SettingsError, match="the number of views was 1, and is 4 now"):
        embed_dataset(tmp_path / "rows", tiny_encoder, photographs, views=4)


def test_what_was_passed_over_stands_in_the_manifest(tiny_encoder, photographs, tmp_path: Path) -> None:
    (photographs[0].parent / "raw.dng").touch()
    passed_over: Counter[str] = Counter()
    found = walk([str(photographs[0].parent)], passed_over=passed_over)
    assert embed_dataset(tmp_path / "rows", tiny_encoder, found, passed_over=passed_over).facts.images == 10
    assert DatasetFolder.open(tmp_path / "rows").facts.passed_over == {".dng": 1}


def test_an_engine_makes_the_parts_that_are_missing(tiny_encoder, photographs, tmp_path: Path) -> None:
    asked: list[Sequence[int]] = []
    told: list[float] = []

    class Backwards:
        """Makes the parts one by one from the last."""

        def __call__(self, dataset: DatasetFolder, parts: Sequence[int], tell: Callable[[float], None]) -> None:
            asked.append(list(parts))
            for part in reversed(parts):
                LocalEngine(tiny_encoder)(dataset, [part], lambda done: (told.append(done), tell(done)))

    embed_dataset(tmp_path / "rows", tiny_encoder, photographs, engine=Backwards(), part_rows=PART)
    embed_dataset(tmp_path / "whole", tiny_encoder, photographs, part_rows=PART)
    assert asked == [[0, 1, 2, 3]] and sum(told) == len(photographs)
    assert content(tmp_path / "rows") == content(tmp_path / "whole")


# A process of its own: an encoder that costs nothing, and a place that kills the process at one moment.
_PROCESS = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from zsderm.benchmarks.speed.folder_memory import Thumbnail
from zsderm.embeddings import LocalEngine, embed_dataset
from zsderm.images import walk
from zsderm.places import LocalFolder

rows, photographs, moment = sys.argv[1:]

class Killing(LocalFolder):
    @contextmanager
    def written(self, name, mark=None):
        with super().written(name, mark) as draft:
            if moment == f"before {name}":
                os.kill(os.getpid(), signal.SIGKILL)
            yield draft
            if moment == f"finishing {name}" or (moment == "finished" and b'"finished"' in draft.read_bytes()):
                draft.write_bytes(draft.read_bytes()[:-8])
                os.kill(os.getpid(), signal.SIGKILL)

encoder = Thumbnail()
engine = LocalEngine(encoder, batch_size=2)
embed_dataset(Killing(rows), encoder, walk([photographs]), engine=engine, part_rows=3)
"""
MOMENTS = {
    "while the list is written": "finishing images.parquet",
    "before the manifest": "before embeddings.json",
    "before the first part": "before part-000000.parquet",
    "in the middle of writing a part": "finishing part-000002.parquet",
    "after the last part, before the manifest says so": "finished",
}


def started(rows: Path, photographs: list[Path], moment: str = "never") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _PROCESS, str(rows), str(photographs[0].parent), moment]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def undisturbed(rows: Path, photographs: list[Path]) -> dict[str, bytes]:
    """What the same work leaves in this process, where nobody stops it."""
    encoder = Thumbnail()
    engine = LocalEngine(encoder, batch_size=2)
    embed_dataset(rows, encoder, walk([str(photographs[0].parent)]), engine=engine, part_rows=PART)
    return content(rows)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_killed_process_loses_no_row_doubles_none_and_changes_none(
    photographs: list[Path], tmp_path: Path, moment: str
) -> None:
    expected, rows = undisturbed(tmp_path / "whole", photographs), tmp_path / "rows"
    assert len(expected) == 5
    with started(rows, photographs, moment) as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, said.decode()
    there = {name: raw for name, raw in content(rows).items() if not name.startswith(".draft-")}
    assert there.items() <= expected.items()
    with started(rows, photographs) as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said.decode()
    assert content(rows) == expected and len(list(rows.iterdir())) == 6, "no draft is left, and nothing is missing"
    stored = read_embeddings(rows)
    assert len(stored.images) == len(set(stored.images)) == len(photographs)


@pytest.mark.slow
def test_several_runs_at_once_on_one_folder_do_no_harm(photographs: list[Path], tmp_path: Path) -> None:
    processes = [started(tmp_path / "rows", photographs) for _ in range(3)]
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
    assert content(tmp_path / "rows") == undisturbed(tmp_path / "whole", photographs)
    assert len(read_embeddings(tmp_path / "rows").images) == len(photographs)
