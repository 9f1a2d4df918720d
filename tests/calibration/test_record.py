"""One record of a labelled folder: fitted, kept as JSON, applied."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from zsderm.calibration import (
    AbstentionThreshold,
    Calibration,
    abstains,
    calibrated,
    fit_calibration,
    prediction_sets,
)
from zsderm.errors import SettingsError

CLASSES = ("melanoma", "nevus", "vascular lesion")


def folder(images: int = 300, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cosines, overconfident log probabilities and labels."""
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.integers(0, 3, images))
    noise = torch.from_numpy(rng.standard_normal((images, 3)))
    cosines = 0.25 + 0.03 * (noise + 1.5 * torch.eye(3, dtype=torch.float64)[labels])
    return cosines, torch.log_softmax(cosines / 0.01, dim=1).float(), labels


@pytest.fixture
def record() -> Calibration:
    cosines, logs, labels = folder()
    return fit_calibration(
        logs,
        labels,
        abstain_rate=0.1,
        scores=cosines,
        energy_temperature=0.01,
        classes=CLASSES,
        source="labels.csv, tiny 0123, knowledge",
    )


def test_a_record_does_on_unseen_images_what_it_was_asked_for(record: Calibration) -> None:
    cosines, logs, labels = folder(4000, seed=1)
    probabilities = calibrated(logs, record)
    assert record.temperature > 1.2 and record.n == 300  # they were too sure
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(4000), atol=1e-5, rtol=0)
    assert torch.equal(probabilities.argmax(dim=1), logs.argmax(dim=1))
    confidence, chosen = probabilities.max(dim=1)
    assert confidence.mean().item() == pytest.approx((chosen == labels).double().mean().item(), abs=0.04)
    held = prediction_sets(probabilities, record)[torch.arange(4000), labels].double().mean()
    assert held.item() == pytest.approx(0.9, abs=0.05)
    assert abstains(cosines, record).double().mean().item() == pytest.approx(0.1, abs=0.05)


def test_coverage_holds_although_the_temperature_saw_the_same_images() -> None:
    held = []
    for seed in range(150):
        _, logs, labels = folder(80, seed)
        made = fit_calibration(logs[:30], labels[:30])
        sets = prediction_sets(calibrated(logs[30:], made), made)
        held.append(sets[torch.arange(50), labels[30:]].double().mean().item())
    assert np.mean(held) > 0.9 - 3 * np.std(held) / 150**0.5


def test_a_record_survives_a_file(record: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "calibration.json"
    record.save(path)
    assert Calibration.load(path) == record
    assert [file.name for file in path.parent.iterdir()] == ["calibration.json"]


def test_a_record_of_a_temperature_alone_survives_too() -> None:
    bare = Calibration(1.5)
    assert Calibration.from_dict(json.loads(json.dumps(bare.to_dict()))) == bare


def test_without_a_coverage_or_a_rate_there_are_no_thresholds() -> None:
    _, logs, labels = folder()
    made = fit_calibration(logs, labels, coverage=None)
    assert made.conformal is None and made.abstention is None
    table = torch.tensor([[0.5, 0.3, 0.2], [math.nan] * 3])
    assert abstains(table, made).tolist() == abstains(table[:, 0], made).tolist() == [False, True]
    with pytest.raises(SettingsError, match="without a coverage"):
        prediction_sets(table, made)


def test_abstention_by_probability_needs_no_cosines() -> None:
    _, logs, labels = folder()
    made = fit_calibration(logs, labels, abstain_rate=0.2, abstain_score="margin")
    assert made.abstention is not None and made.abstention.reads == "probabilities"
    assert abstains(calibrated(logs, made), made).double().mean().item() == pytest.approx(0.2, abs=0.01)


def test_abstention_by_energy_needs_cosines() -> None:
    _, logs, labels = folder()
    with pytest.raises(SettingsError, match="scores"):
        fit_calibration(logs, labels, abstain_rate=0.1)


def test_images_without_an_answer_stay_without(record: Calibration) -> None:
    _, logs, _ = folder(5)
    logs[2] = math.nan
    probabilities = calibrated(logs, record)
    assert probabilities[2].isnan().all()
    assert not prediction_sets(probabilities, record)[2].any()


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
