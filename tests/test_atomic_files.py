from __future__ import annotations

from pathlib import Path

import pytest

from zsderm import SettingsError
from zsderm.atomic_files import atomic_file, atomic_folder


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
    (tmp_path / ".folder-draft-killed").mkdir()
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
