"""Answers are withheld at the rate that was asked for, from the least familiar images."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from zsderm.calibration import (
    FAMILIARITIES,
    AbstentionThreshold,
    abstain,
    familiarity,
    fit_abstention,
    threshold_for_rate,
)
from zsderm.errors import FallbackWarning, SettingsError

TABLE = torch.tensor([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.5, 0.5, 0.0]], dtype=torch.float64)


def test_familiarities_by_hand() -> None:
    assert familiarity(TABLE, "max-probability").tolist() == pytest.approx([0.7, 0.4, 0.5])
    assert familiarity(TABLE, "margin").tolist() == pytest.approx([0.5, 0.05, 0.0])
    expected = [0.1 * math.log(sum(math.exp(value / 0.1) for value in row)) for row in TABLE.tolist()]
    assert familiarity(TABLE, "energy", 0.1).tolist() == pytest.approx(expected)


def test_energy_grows_with_all_cosines_where_probabilities_stay() -> None:
    cosines = torch.tensor([[0.3, 0.1], [0.7, 0.5]])
    near, far = familiarity(cosines, "energy", 0.04).flip(0)
    assert near - far == pytest.approx(0.4)
    probabilities = torch.softmax(cosines / 0.04, dim=1)
    assert familiarity(probabilities, "margin")[0] == pytest.approx(familiarity(probabilities, "margin")[1].item())


def test_one_class_has_its_own_probability_as_margin() -> None:
    assert familiarity(torch.ones(2, 1), "margin").tolist() == [1, 1]


@pytest.mark.parametrize("score", FAMILIARITIES)
def test_the_order_of_classes_does_not_matter(score: str) -> None:
    torch.testing.assert_close(familiarity(TABLE, score, 0.1), familiarity(TABLE.flip(1), score, 0.1))


@pytest.mark.slow
@pytest.mark.parametrize(("images", "rate"), [(30, 0.1), (200, 0.05), (99, 0.01)])
def test_an_unseen_image_of_the_known_classes_is_withheld_at_the_rate_or_less(images: int, rate: float) -> None:
    rng = np.random.default_rng(0)
    splits, unseen, shares = 2000, 20, []
    for _ in range(splits):
        threshold = threshold_for_rate(rng.standard_normal(images), rate)
        shares.append((rng.standard_normal(unseen) < threshold).mean())
    error = np.std(shares) / splits**0.5
    assert rate - 1 / (images + 1) - 3 * error < np.mean(shares) < rate + 3 * error


def test_the_threshold_by_hand() -> None:
    # floor((9 + 1) * 0.3) = 3: two of the nine lie below it, and a tenth would be the third.
    values = torch.tensor([9.0, 1, 8, 2, 7, 3, 6, 4, 5])
    assert threshold_for_rate(values, 0.3) == 3
    assert threshold_for_rate(values, 0.0) == -math.inf


def test_too_few_images_for_the_rate_withhold_nothing_and_say_so() -> None:
    with pytest.warns(FallbackWarning, match="at least 19 calibration images, but there are 10"):
        assert threshold_for_rate(torch.rand(10), 0.05) == -math.inf
    assert threshold_for_rate(torch.arange(19.0), 0.05) == 0


def test_the_least_familiar_images_are_withheld_and_those_without_an_answer() -> None:
    found = AbstentionThreshold("max-probability", 0.5, rate=0.1, n=9)
    table = torch.cat([TABLE, torch.full((1, 3), math.nan, dtype=torch.float64)])
    assert abstain(table, found).tolist() == [False, True, False, True]
    nothing = AbstentionThreshold("max-probability", -math.inf, rate=0.0, n=9)
    assert abstain(table, nothing).tolist() == [False, False, False, True]


@pytest.mark.parametrize("score", FAMILIARITIES)
def test_familiarities_made_beforehand_do_as_well_as_the_table(score: str) -> None:
    made = familiarity(TABLE, score, 0.04)
    found = fit_abstention(TABLE, 0.5, score=score, temperature=0.04)
    assert fit_abstention(made, 0.5, score=score, temperature=0.04) == found
    assert torch.equal(abstain(made, found), abstain(TABLE, found))
    assert abstain(torch.tensor([math.nan]), found).tolist() == [True]


def test_what_a_threshold_reads() -> None:
    reads = {score: AbstentionThreshold(score, 0.0, 0.1, 9).reads for score in FAMILIARITIES}
    assert reads == {"energy": "scores", "max-probability": "probabilities", "margin": "probabilities"}


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_a_threshold_survives_json(rate: float) -> None:
    found = fit_abstention(TABLE, rate, score="energy", temperature=0.04)
    assert AbstentionThreshold.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found
    assert found.n == 3 and found.rate == rate


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": "enrgy"}, "Did you mean 'energy'"),
        ({"temperature": 0.0}, "temperature"),
        ({"rate": 2}, "rate from 0 to below 1"),
        ({"threshold": "low"}, "amiss"),
    ],
)
def test_fields_that_mean_nothing_are_refused(change: dict, message: str) -> None:
    fields = AbstentionThreshold("energy", 0.1, 0.1, 9, 0.04).to_dict()
    with pytest.raises(SettingsError, match=message):
        AbstentionThreshold.from_dict({**fields, **change})
    with pytest.raises(SettingsError, match="amiss"):
        AbstentionThreshold.from_dict({"score": "energy"})


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'margin'"):
        familiarity(TABLE, "margn")
    with pytest.raises(SettingsError, match="sum to 1"):
        familiarity(10 * TABLE, "max-probability")
    with pytest.raises(SettingsError, match="rate"):
        threshold_for_rate(torch.rand(10), 1.0)
    with pytest.raises(SettingsError, match="1 that are not finite"):
        threshold_for_rate(torch.tensor([0.1, math.nan]), 0.1)
    with pytest.raises(SettingsError, match="temperature"):
        familiarity(TABLE, "energy", 0.0)
