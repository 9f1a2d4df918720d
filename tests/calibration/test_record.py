"""The record of a calibration: kept as JSON, and what it refuses."""

from __future__ import annotations

import json
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


def test_another_class_list_is_refused(record: Calibration) -> None:
    record.check_classes(CLASSES)
    Calibration(1.0).check_classes(CLASSES)
    with pytest.raises(SettingsError, match="in their order"):
        record.check_classes(CLASSES[::-1])


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
