"""Small knowledge bases on disk, in the format of the bundled one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

WriteBase = Callable[..., Path]


@pytest.fixture
def write_base(tmp_path: Path) -> WriteBase:
    """write_base(records..., folder="mine", file="all.jsonl", card={...}) -> the folder."""

    def write(*records: dict, folder: str = "mine", file: str = "all.jsonl", card: dict | None = None) -> Path:
        root = tmp_path / folder
        root.mkdir(exist_ok=True)
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (root / file).write_text(lines, encoding="utf-8")
        if card is not None:
            (root / "base.json").write_text(json.dumps(card), encoding="utf-8")
        return root

    return write


@pytest.fixture
def disease() -> Callable[..., dict]:
    """disease("melanoma", "sign one", "sign two", aliases=[...]) -> a record with those descriptions."""

    def record(name: str, *texts: str, **fields: object) -> dict:
        descriptions = [{"aspect": "colour", "modality": "clinical", "text": text} for text in texts]
        return {"name": name, "descriptions": descriptions, **fields}

    return record
