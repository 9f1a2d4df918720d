"""The reliability plot has the numbers of the bins, and says in words which way they lean."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zsderm.metrics import calibration_error
from zsderm.predictions import Predictions
from zsderm.report import reliability_plot


def _predictions(confidence: list[float]) -> Predictions:
    """Two classes; the first is the answer, with the given probability, which is NaN for a failed image."""
    table = torch.tensor([[share, 1 - share] for share in confidence])
    names = [str(index) for index in range(len(confidence))]
    errors = {name: "broken" for name, share in zip(names, confidence, strict=True) if np.isnan(share)}
    return Predictions(names, ("a", "b"), table, "knowledge", "none", "kpl", ((),) * len(names), errors)


def test_bins_count_the_answers_and_how_many_were_right() -> None:
    plot = reliability_plot(_predictions([0.95, 0.95, 0.91, 0.65]), np.array([0, 1, 0, 1]))
    assert [(bin.low, bin.high, bin.count) for bin in plot.bins] == [(0.6, 0.7, 1), (0.9, 1.0, 3)]
    assert plot.bins[1].accuracy == pytest.approx(2 / 3) and plot.bins[0].accuracy == 0
    assert plot.bins[1].confidence == pytest.approx((0.95 + 0.95 + 0.91) / 3, abs=1e-6)
    assert [bin.share for bin in plot.bins] == pytest.approx([1 / 3, 1]) and plot.count == 4


def test_images_without_a_label_or_an_answer_do_not_count() -> None:
    plot = reliability_plot(_predictions([0.95, 0.85, float("nan")]), np.array([0, -1, 0]))
    assert plot.count == 1 and plot.accuracy == 1 and plot.confidence == pytest.approx(0.95)


def test_the_gaps_add_up_to_the_calibration_error() -> None:
    rng = np.random.default_rng(0)
    confidence, true = rng.uniform(0.5, 1, 200), rng.integers(0, 2, 200)
    plot = reliability_plot(_predictions(confidence.tolist()), true)
    gaps = sum(bin.count * abs(bin.confidence - bin.accuracy) for bin in plot.bins) / plot.count
    assert gaps == pytest.approx(calibration_error(confidence.astype(np.float32), true == 0, bins=10), abs=1e-6)


@pytest.mark.parametrize(
    ("confidence", "true", "verdict"),
    [
        ([0.9] * 4, [0, 0, 1, 1], "on average 40 points too sure"),
        ([0.6] * 4, [0, 0, 0, 0], "on average 40 points too unsure"),
        ([0.75] * 4, [0, 0, 0, 1], "on average neither too sure nor too unsure"),
    ],
)
def test_the_verdict_says_which_way(confidence: list[float], true: list[int], verdict: str) -> None:
    assert reliability_plot(_predictions(confidence), np.array(true)).verdict == verdict
