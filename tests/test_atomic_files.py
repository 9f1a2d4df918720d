from __future__ import annotations

import os
import re
import resource
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from zsderm import SettingsError
from zsderm.atomic_files import atomic_file, atomic_folder, refuse_others, refuse_unwritable
from zsderm.embeddings.vector_index import VectorIndex

Atomic = Callable[[Path], AbstractContextManager[Path]]
replacing_folder = partial(atomic_folder, must_be_new=False)


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "new" / "a.txt") as draft:
        draft.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
    with pytest.raises(ValueError, match="stop"), atomic_file(tmp_path / "new" / "a.txt") as draft:
        draft.write_text("half")
        raise ValueError("stop")
    assert [(path.name, path.read_text()) for path in (tmp_path / "new").iterdir()] == [("a.txt", "whole")]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="Choose another place"), atomic_file(tmp_path / "file" / "a.txt"):
        pass


@pytest.mark.parametrize("must_be_new", [True, False])
def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path, must_be_new: bool) -> None:
    place = tmp_path / "new" / "folder"
    with pytest.raises(ValueError, match="stop"), atomic_folder(place, must_be_new=must_be_new) as draft:
        (draft / "a.txt").write_text("half")
        raise ValueError("stop")
    assert list(place.parent.iterdir()) == []
    with atomic_folder(place, must_be_new=must_be_new) as draft:
        (draft / "a.txt").write_text("whole")
        assert draft.name == place.name and not place.exists()
    assert [path.name for path in place.parent.iterdir()] == ["folder"]
    assert (place / "a.txt").read_text() == "whole"


def test_an_empty_folder_counts_as_new_and_a_full_one_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "folder"
    place.mkdir()
    with atomic_folder(place) as draft:
        (draft / "a.txt").write_text("mine")
    refused = pytest.raises(SettingsError, match=r"to be new or empty, but it is not\. Choose another place")
    with refused, atomic_folder(place):
        pass
    assert (place / "a.txt").read_text() == "mine"


def test_a_folder_is_replaced_only_when_the_draft_is_complete(tmp_path: Path) -> None:
    place = tmp_path / "folder"
    place.mkdir()
    (place / "old.txt").write_text("old")
    with pytest.raises(ValueError, match="stop"), atomic_folder(place, must_be_new=False):
        raise ValueError("stop")
    assert (place / "old.txt").read_text() == "old"
    with atomic_folder(place, must_be_new=False) as draft:
        (draft / "new.txt").write_text("new")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "new.txt"]


@pytest.mark.parametrize("must_be_new", [True, False])
def test_a_file_is_never_replaced_by_a_folder(tmp_path: Path, must_be_new: bool) -> None:
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(SettingsError, match="Choose another place"), atomic_folder(place, must_be_new=must_be_new):
            pass
    assert (tmp_path / "file").read_text() == "x"


def _killed_within(atomic: Atomic, place: Path) -> None:
    """Another process begins to write the place, and is killed."""
    child = os.fork()
    if child == 0:
        with atomic(place) as draft:
            (draft / "half.txt" if draft.is_dir() else draft).write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.parametrize("atomic", [atomic_file, atomic_folder, replacing_folder])
def test_what_a_killed_process_has_left_is_removed_by_the_next_that_writes_the_same_place(
    tmp_path: Path, atomic: Atomic
) -> None:
    place = tmp_path / "result.csv"
    _killed_within(atomic, place)
    _killed_within(atomic, tmp_path / "other.csv")
    assert not place.exists() and len(list(tmp_path.iterdir())) == 2
    with atomic(place) as draft:
        (draft / "whole.txt" if draft.is_dir() else draft).write_text("whole")
    assert place.exists() and len(list(tmp_path.iterdir())) == 2  # the draft of the other place is not ours to remove


@pytest.mark.parametrize("atomic", [atomic_file, replacing_folder])
def test_a_draft_that_somebody_is_writing_is_left_alone(tmp_path: Path, atomic: Atomic) -> None:
    place = tmp_path / "result"
    with atomic(place) as first, atomic(place) as second:
        for draft, text in ((first, "first"), (second, "second")):
            (draft / "a.txt" if draft.is_dir() else draft).write_text(text)
    file = place / "a.txt" if place.is_dir() else place
    assert file.read_text() == "first"  # the inner one was done before
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("atomic", [atomic_file, replacing_folder])
def test_a_draft_that_has_been_written_for_days_is_left_alone(tmp_path: Path, atomic: Atomic) -> None:
    with atomic(tmp_path / "result") as first:
        (held,) = tmp_path.iterdir()
        if not first.is_dir():
            first.write_text("long work")
        os.utime(held, (1, 1))
        if (child := os.fork()) == 0:  # another run of the same work
            with atomic(tmp_path / "result") as second:
                (second / "a.txt" if second.is_dir() else second).write_text("second")
            os._exit(0)
        os.waitpid(child, 0)
        assert held.exists()


def test_a_file_with_the_longest_name_can_be_written_and_a_longer_one_is_refused_before_the_work(
    tmp_path: Path,
) -> None:
    longest = tmp_path / f"{'x' * 251}.csv"
    refuse_unwritable(longest)
    with atomic_file(longest) as draft:
        draft.write_text("a")
        assert draft.suffix == ".csv"  # writers choose the format by it
    for name in (f"{'x' * 252}.csv", f"{'x' * 300}/a.csv", f"new/{'ä' * 130}.csv"):
        with pytest.raises(SettingsError, match="name too long"):
            refuse_unwritable(tmp_path / name)
    for atomic in (atomic_file, atomic_folder):
        with pytest.raises(SettingsError, match="name too long"), atomic(tmp_path / f"{'x' * 252}.csv"):
            pytest.fail("work was done")


def test_a_place_that_no_permission_opens_is_refused_before_the_work() -> None:
    with pytest.raises(SettingsError, match=r"cannot write '/proc/x/a\.csv'"):
        refuse_unwritable("/proc/x/a.csv")
    for folder in ("/proc", "/proc/x", "/proc/x/y/"):  # as it was written, with nothing behind it
        with pytest.raises(SettingsError, match=f"cannot write '{folder}': "):
            refuse_unwritable(folder, inside=True)


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real, place = os.fsync, tmp_path / "a.txt"
    monkeypatch.setattr(os, "fsync", lambda number: seen.append(place.exists()) or real(number))
    with atomic_file(place) as draft:
        draft.write_text("a")
    assert seen == [False, True]  # the file, and then the folder that names it


@pytest.mark.parametrize(
    ("content", "refused"), [(None, False), (b"", False), (b"a,b\n1,2\n", False), (b"b,a\n", True), (b"xa,b\n", True)]
)
def test_a_file_of_somebody_else_is_not_replaced_under_a_name_that_the_user_did_not_give(
    tmp_path: Path, content: bytes | None, refused: bool
) -> None:
    place, mark = tmp_path / "beside.csv", re.compile(rb"\Aa,b\n")
    if content is not None:
        place.write_bytes(content)
    if refused:
        with pytest.raises(SettingsError, match=r"is not what zsderm writes there\. Move it"):
            refuse_others(place, mark)
        with pytest.raises(SettingsError, match="not what zsderm writes"), atomic_file(place, mark=mark):
            pytest.fail("work was done")
        assert place.read_bytes() == content
    else:
        with atomic_file(place, mark=mark) as draft:
            draft.write_bytes(b"a,b\n")
        assert place.read_bytes() == b"a,b\n"


@pytest.fixture
def little_room() -> None:
    """Files of this process may be 16 KB long, as on a disk that is full."""
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("library", ["python", "safetensors", "torch", "faiss"])
def test_a_full_disk_is_one_sentence_and_the_old_file_is_kept(tmp_path: Path, little_room: None, library: str) -> None:
    rows = np.random.default_rng(0).normal(size=(1000, 32)).astype(np.float32)
    place = tmp_path / "entries.faiss"
    place.write_text("old")
    with pytest.raises(SettingsError, match=r"cannot write .*Choose another place"):
        if library == "faiss":
            VectorIndex.build(rows).save(tmp_path)
        with atomic_file(place) as draft:
            if library == "python":
                draft.write_bytes(rows.tobytes())
            elif library == "torch":
                torch.save(torch.from_numpy(rows), draft)
            else:
                save_file({"rows": torch.from_numpy(rows)}, draft)
    assert place.read_text() == "old" and list(tmp_path.iterdir()) == [place]
