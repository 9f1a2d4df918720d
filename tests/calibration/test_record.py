"""The record of a calibration: kept as JSON, and what it refuses."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from zsderm.calibration import AbstentionThreshold, Calibration
from zsderm.errors import SettingsError

CLASSES = ("melanoma", "nevus", "vascular lesion")


def test_a_record_survives_a_file(record: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "calibration.json"
    record.save(path)
    assert Calibration.load(path) == record
    assert [file.name for file in path.parent.iterdir()] == ["calibration.json"]


def test_a_record_of_a_temperature_alone_survives_too() -> None:
    bare = Calibration(1.5)
    assert Calibration.from_dict(json.loads(json.dumps(bare.to_dict()))) == bare


def test_another_class_list_is_refused_and_another_order_is_not(record: Calibration) -> None:
    assert record.in_order_of(CLASSES) is record
    Calibration(1.0).in_order_of(CLASSES)
    turned = record.in_order_of(CLASSES[::-1])
    assert turned.classes == CLASSES[::-1] and turned.conformal.counts == record.conformal.counts[::-1]
    assert turned.conformal.thresholds == record.conformal.thresholds[::-1]
    assert turned.in_order_of(CLASSES) == record
    with pytest.raises(SettingsError, match="classes of the calibration"):
        record.in_order_of((*CLASSES[:2], "wart"))
    older = replace(record, made_with={"sentences": "0123"})
    with pytest.raises(SettingsError, match="calibrate again: then any order will do"):
        older.in_order_of(CLASSES[::-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 1, but got 2"),
        ({"temperature": 0}, "temperature to be a positive number"),
        ({"temperature": "warm"}, "amiss"),
        ({"conformal": {"coverage": 0.9}}, "conformal thresholds"),
        ({"abstention": {"score": "energy"}}, "abstention threshold"),
        ({"classes": 3}, "amiss"),
    ],
)
def test_a_record_that_means_nothing_is_refused(record: Calibration, change: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Calibration.from_dict({**record.to_dict(), **change})


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "torn.json").write_text('{"version": 1')
    with pytest.raises(SettingsError, match="got 'list'"):
        Calibration.load(tmp_path / "list.json")
    for name in ("torn.json", "absent.json"):
        with pytest.raises(SettingsError, match="cannot read it"):
            Calibration.load(tmp_path / name)
    with pytest.raises(SettingsError, match="cannot write"):
        Calibration(1.0).save(tmp_path / "list.json" / "below.json")


def test_a_record_is_frozen(record: Calibration) -> None:
    assert isinstance(record.abstention, AbstentionThreshold)
    with pytest.raises(AttributeError):
        record.temperature = 1.0  # type: ignore[misc]


CHANGES = [
    {"temperature": math.nan},
    {"temperature": math.inf},
    {"temperature": -1.0},
    {"temperature": True},
    {"temperature": "2.0"},
    {"n": -1},
    {"n": 3.5},
    {"n": "300"},
    {"classes": ["melanoma", "nevus"]},
    {"classes": ["melanoma", "melanoma", "nevus"]},
    {"classes": ["melanoma", 7, "nevus"]},
    {"classes": "abc"},
    {"source": None},
    {"surplus": 1},
    {"photographs": "0123456789ab"},
    {"photographs": ["0123456789ab", 7]},
    {"made_with": []},
    {"made_with": {"colour": "red"}},
    {"made_with": {"k": "10"}},
    {"made_with": {"centre": "no"}},
    {"made_with": {"temperature": math.nan}},
    {"made_with": {"temperature": -0.1}},
    {"made_with": {"smooth": -0.3}},
    {"made_with": {"smooth": 0.3, "smooth_neighbours": 0}},
    {"made_with": {"smooth": "0.3"}},
    {"made_with": {"prior": 5}},
    {"made_with": {"prior": {"nevus": "much"}}},
    {"conformal.coverage": math.nan},
    {"conformal.coverage": "0.9"},
    {"conformal.thresholds": [0.1, math.nan, 0.2]},
    {"conformal.thresholds": [0.1, math.inf, 0.2]},
    {"conformal.thresholds": [0.1, -0.2, 0.2]},
    {"conformal.thresholds": [0.1, "0.2", 0.2]},
    {"conformal.thresholds": [0.1, 0.2]},
    {"conformal.thresholds": [0.1] * 4, "conformal.counts": [1] * 4},
    {"conformal.counts": [1, -2, 3]},
    {"conformal.counts": [1, 2.5, 3]},
    {"conformal.class_conditional": "false"},
    {"conformal.surplus": 1},
    {"conformal": [1]},
    {"abstention.threshold": math.nan},
    {"abstention.threshold": math.inf},
    {"abstention.rate": 1.0},
    {"abstention.rate": "0.1"},
    {"abstention.n": -3},
    {"abstention.temperature": 0.0},
    {"abstention.surplus": 1},
    {"abstention": "none"},
]


@pytest.mark.parametrize("change", CHANGES, ids=repr)
def test_a_value_that_no_calibration_has_is_refused_by_hand_and_by_checksum(
    record: Calibration, tmp_path: Path, change: dict
) -> None:
    path = tmp_path / "record.json"
    record.save(path)
    fields = json.loads(path.read_text())
    for where, value in change.items():
        *steps, last = where.split(".")
        inner = fields
        for step in steps:
            inner = inner[step]
        inner[last] = value
    for content, said in ((fields, "checksum"), ({k: v for k, v in fields.items() if k != "checksum"}, "Expected")):
        path.write_text(json.dumps(content))
        with pytest.raises(SettingsError, match=said):
            Calibration.load(path)


def test_a_digit_that_was_changed_is_noticed_and_a_record_without_a_checksum_is_read(
    record: Calibration, tmp_path: Path
) -> None:
    path = tmp_path / "record.json"
    record.save(path)
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "temperature": fields["temperature"] + 1}))
    with pytest.raises(SettingsError, match="changed after it was written"):
        Calibration.load(path)
    del fields["checksum"]
    path.write_text(json.dumps(fields))
    assert Calibration.load(path) == record


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 200_000, b"7", b"null", b'{"version": true}'])
def test_a_file_of_anything_else_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="Expected a calibration"):
        Calibration.load(path)
