from __future__ import annotations

from pathlib import Path

import pytest

from zsderm import SettingsError
from zsderm.atomic_files import atomic_file


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
