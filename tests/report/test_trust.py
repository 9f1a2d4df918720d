"""What was promised stands beside what came true, with an interval that draws patients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zsderm.predictions import Predictions
from zsderm.report.overview import Labels
from zsderm.report.trust import Share, share, trust


def _predictions(inside: list[list[bool]], record: dict[str, object]) -> Predictions:
    count = len(inside)
    names, table = [str(number) for number in range(count)], torch.tensor([[0.6, 0.4]] * count)
    manifest = {"calibration": record} if record else {}
    sets = torch.tensor(inside)
    return Predictions(names, ("a", "b"), table, "", "", "", ((),) * count, {}, manifest, sets)


def test_a_share_says_asked_got_and_between() -> None:
    assert Share(84, 100, 0.76, 0.91, 0.9).text == "asked 90 %, got 84 % (84 of 100; 95 % interval 76 to 91 %)"
    assert Share(1, 1, float("nan"), float("nan")).text == "100 % (1 of 1)"
    assert [Share(8, 10, 0.5, high, 0.9).reached for high in (0.95, 0.85, float("nan"))] == [True, False, None]
    assert [Share(8, 10, low, 0.9, 0.05, at_most=True).reached for low in (0.01, 0.06)] == [True, False]


def test_ten_photographs_of_one_patient_are_hardly_more_than_one() -> None:
    hits = np.arange(100) % 10 < 8
    alone, together = share(hits, None), share(np.sort(hits), [str(number // 10) for number in range(100)])
    assert alone is not None and together is not None and alone.count == together.count == 80
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert share(hits[:0], None) is None


@pytest.mark.parametrize(("conditional", "least"), [(False, None), (True, "b")])
def test_coverage_is_that_of_labelled_images(conditional: bool, least: str | None) -> None:
    record = {"conformal": {"coverage": 0.9, "class_conditional": conditional}}
    found = trust(_predictions([[True, False]] * 5, record), Labels(np.array([0, 0, 1, 0, -1])))
    assert found.covered is not None and (found.covered.count, found.covered.of, found.covered.asked) == (3, 4, 0.9)
    assert found.set_size == 1 and found.each_class == conditional and found.withheld is None
    assert (found.least and found.least[0]) == least


def test_sets_without_a_record_have_no_promise() -> None:
    found = trust(_predictions([[True, True]], {}), Labels(np.array([0])))
    assert found.covered is not None and found.covered.asked is None and found.covered.reached is None
    assert trust(_predictions([[True, True]], {}), Labels(np.array([-1]))).covered is None
