"""A reliability plot in numbers, ready to be drawn: what was claimed beside what came true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zsderm.metrics import reliability
from zsderm.predictions import Predictions

BINS = 10  # on the page; fewer than the 15 of the calibration error, so that a hundred images still fill them


@dataclass(frozen=True)
class Bin:
    """The answers of which the probability lies in one interval; all shares are between 0 and 1."""

    low: float
    high: float
    count: int
    share: float  # of the fullest bin
    confidence: float  # mean probability
    accuracy: float


@dataclass(frozen=True)
class ReliabilityPlot:
    """Everything that the plot shows."""

    bins: tuple[Bin, ...]  # those that hold an answer
    count: int  # answers in all
    confidence: float  # mean probability of all answers
    accuracy: float

    @property
    def verdict(self) -> str:
        """What the plot says, in a few words."""
        if abs(gap := self.confidence - self.accuracy) < 0.02:
            return "on average neither too sure nor too unsure"
        return f"on average {abs(100 * gap):.0f} points too {'sure' if gap > 0 else 'unsure'}"


def reliability_plot(predictions: Predictions, true: NDArray[np.int_]) -> ReliabilityPlot:
    """Bin the answers of the images with a true label.

    Args:
        predictions: for N images.
        true: (N,) int, negative where it is unknown; known for at least one image that was answered.
    """
    known = predictions.ok.numpy() & (true >= 0)
    table = predictions.probabilities.numpy()[known]
    confidence, correct = table.max(axis=1), table.argmax(axis=1) == true[known]
    found = reliability(confidence, correct, BINS)
    bins = (
        Bin(
            low=index / BINS,
            high=(index + 1) / BINS,
            count=int(found.count[index]),
            share=float(found.count[index] / found.count.max()),
            confidence=float(found.confidence[index]),
            accuracy=float(found.accuracy[index]),
        )
        for index in np.flatnonzero(found.count).tolist()
    )
    return ReliabilityPlot(tuple(bins), len(correct), float(confidence.mean()), float(correct.mean()))
