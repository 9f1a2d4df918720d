"""What labelled images teach, in one record: from arrays, and from predictions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from zsderm.calibration import (
    Calibration,
    abstain,
    conformal_sets,
    fit_calibration,
    held_out_harm,
    scale_probabilities,
)
from zsderm.errors import SettingsError

Arrays = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def test_a_record_does_on_unseen_images_what_it_was_asked_for(
    record: Calibration, folder: Callable[..., Arrays]
) -> None:
    cosines, logs, labels = folder(4000, seed=1)
    probabilities = scale_probabilities(logs, record.temperature)
    assert record.temperature > 1.2 and record.n == 300  # they were too sure
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(4000), atol=1e-5, rtol=0)
    assert torch.equal(probabilities.argmax(dim=1), logs.argmax(dim=1))
    confidence, chosen = probabilities.max(dim=1)
    assert confidence.mean().item() == pytest.approx((chosen == labels).double().mean().item(), abs=0.04)
    held = conformal_sets(probabilities, record.conformal)[torch.arange(4000), labels].double().mean()
    assert held.item() == pytest.approx(0.9, abs=0.05)
    assert abstain(cosines, record.abstention).double().mean().item() == pytest.approx(0.1, abs=0.05)


@pytest.mark.slow
def test_coverage_holds_although_the_temperature_saw_the_same_images(folder: Callable[..., Arrays]) -> None:
    held = []
    for seed in range(150):
        _, logs, labels = folder(80, seed)
        made = fit_calibration(logs[:30], labels[:30])
        sets = conformal_sets(scale_probabilities(logs[30:], made.temperature), made.conformal)
        held.append(sets[torch.arange(50), labels[30:]].double().mean().item())
    assert np.mean(held) > 0.9 - 3 * np.std(held) / 150**0.5


def test_without_a_coverage_or_a_rate_there_are_no_thresholds(folder: Callable[..., Arrays]) -> None:
    _, logs, labels = folder()
    made = fit_calibration(logs, labels, coverage=None)
    assert made.conformal is None and made.abstention is None


def test_abstention_by_probability_needs_no_cosines(folder: Callable[..., Arrays]) -> None:
    _, logs, labels = folder()
    made = fit_calibration(logs, labels, abstain_rate=0.2, abstain_score="margin")
    assert made.abstention is not None and made.abstention.reads == "probabilities"
    assert abstain(
        scale_probabilities(logs, made.temperature), made.abstention
    ).double().mean().item() == pytest.approx(0.2, abs=0.01)


def test_abstention_by_energy_needs_cosines(folder: Callable[..., Arrays]) -> None:
    _, logs, labels = folder()
    with pytest.raises(SettingsError, match="scores"):
        fit_calibration(logs, labels, abstain_rate=0.1)


def test_images_without_an_answer_stay_without(record: Calibration, folder: Callable[..., Arrays]) -> None:
    _, logs, _ = folder(5)
    logs[2] = math.nan
    probabilities = scale_probabilities(logs, record.temperature)
    assert probabilities[2].isnan().all()
    assert not conformal_sets(probabilities, record.conformal)[2].any()


def test_a_temperature_that_harms_images_left_out_is_told(folder: Callable[..., Arrays]) -> None:
    _, logs, _ = folder(40)
    labels = logs.argmax(dim=1)
    labels[::5] = (labels[::5] + 1) % 3  # a fifth, always the same one, is nothing like the rest
    assert held_out_harm(logs, labels) > 0.1
    assert held_out_harm(logs[:6], labels[:6]) == 0


def test_a_temperature_that_helps_is_not_warned_of(folder: Callable[..., Arrays]) -> None:
    _, logs, labels = folder(300)
    assert held_out_harm(logs, labels) == 0
