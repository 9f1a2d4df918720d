"""Which run wrote a file, and the manifest beside it."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd
import pytest

from zsderm.errors import SettingsError
from zsderm.manifest_files import commit, manifest_file, refuse_others_manifest, run_facts, write_with_manifest

ROOT = Path(__file__).resolve().parents[1]
FRAME, FACTS = pd.DataFrame({"image": ["a"]}), {"classes": ["x"], "manifest": {"loss": float("nan"), "name": "\x9bé"}}


def test_a_run_has_a_time_with_a_zone_and_the_commit_of_this_working_tree() -> None:
    facts = run_facts("zsderm classify")
    age = datetime.now(timezone.utc) - datetime.fromisoformat(str(facts["time"]))
    assert facts["command"] == "zsderm classify" and 0 <= age.total_seconds() < 60
    assert (commit() is None) is not (ROOT / ".git").exists()


def test_beside_csv_stands_a_manifest_that_knows_its_file(tmp_path: Path) -> None:
    for _ in range(2):  # the second replaces the first
        write_with_manifest(FRAME, tmp_path / "t.csv", FACTS)
    text = (tmp_path / "t.csv.manifest.json").read_text(encoding="utf-8")
    found = json.loads(text)
    digest = hashlib.sha256((tmp_path / "t.csv").read_bytes()).hexdigest()
    assert found == {"manifest_of": "t.csv", "sha256": digest, **FACTS, "manifest": {"loss": None, "name": "\x9bé"}}
    assert "\x9b" not in text
    write_with_manifest(FRAME, tmp_path / "t.jsonl", FACTS)
    assert sorted(os.listdir(tmp_path)) == ["t.csv", "t.csv.manifest.json", "t.jsonl"]


def test_a_manifest_of_somebody_else_is_not_replaced_and_neither_is_the_table(tmp_path: Path) -> None:
    manifest_file(tmp_path / "t.csv").write_text("mine")
    (tmp_path / "t.csv").write_text("of yesterday")
    with pytest.raises(SettingsError, match="not what zsderm writes there"):
        write_with_manifest(FRAME, tmp_path / "t.csv", FACTS)
    assert (tmp_path / "t.csv").read_text() == "of yesterday" and manifest_file(
        tmp_path / "t.csv"
    ).read_text() == "mine"


def test_a_name_to_which_nothing_can_be_added_is_found_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot write"):
        refuse_others_manifest(tmp_path / f"{'x' * 250}.csv")
