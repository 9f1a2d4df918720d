from __future__ import annotations

import json
from pathlib import Path

import pytest

from zsderm import InputError, KnowledgeBase
from zsderm.knowledge.base import KnowledgeCard
from zsderm.knowledge.store import write_base


@pytest.mark.slow
def test_what_is_written_is_read_back_with_the_same_checksum(tmp_path: Path) -> None:
    base = KnowledgeBase.load("dermatology")
    write_base(tmp_path / "copy", base.card, base.diseases.values(), {"review": "none"})
    copy = KnowledgeBase.load(tmp_path / "copy")
    assert copy.checksum == base.checksum and copy.card == base.card
    assert json.loads((tmp_path / "copy" / "base.json").read_text())["review"] == "none"


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(InputError, match="new or empty"):
        write_base(tmp_path / "mine", KnowledgeCard("mine"), [], {})
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"
