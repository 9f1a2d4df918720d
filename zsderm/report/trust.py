"""What was promised of prediction sets and abstention beside what came true.

Letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zsderm.metrics import bootstrap, interval
from zsderm.predictions import Predictions
from zsderm.report.overview import Labels


@dataclass(frozen=True)
class Share:
    """How many of some images, and between which shares that could lie."""

    count: int
    of: int
    low: float  # 95 % bootstrap interval; NaN where there is one image, or one patient
    high: float
    asked: float | None = None  # the share that was asked for; None: not recorded
    at_most: bool = False  # whether it was asked for as the largest, not as the least

    @property
    def text(self) -> str:
        """In percent, such as "asked 90 %, got 84 % (54 of 64; 95 % interval 73 to 92 %)"."""
        got = f"{100 * self.count / self.of:.0f} %"
        most = "at most " if self.at_most else ""
        asked = "" if self.asked is None else f"asked {most}{100 * self.asked:.3g} %, got "
        between = "" if np.isnan(self.low) else f"; 95 % interval {100 * self.low:.0f} to {100 * self.high:.0f} %"
        return f"{asked}{got} ({self.count} of {self.of}{between})"

    @property
    def reached(self) -> bool | None:
        """Whether the interval holds what was asked for, or lies on its better side; None where nothing can be said."""
        if self.asked is None or np.isnan(self.high):
            return None
        return self.low <= self.asked if self.at_most else self.high >= self.asked


@dataclass(frozen=True)
class Trust:
    """How far images are left open, and what came of it.

    Attributes:
        abstentions: images marked "none of these?"; None: that was not asked for.
        set_size: mean number of classes in a set; None: there are no sets.
        covered: for how many of the labelled images the true class is in the set.
        each_class: whether the share was asked for within each class.
        least: the class that is covered least, with its share; None where that was not asked for.
        withheld: how many of the labelled images, all of listed classes, got no answer; ``asked`` is the most that
            should.
    """

    abstentions: int | None
    set_size: float | None
    covered: Share | None
    each_class: bool
    least: tuple[str, Share] | None
    withheld: Share | None
    learned_from: int | None = None  # how many of the images the calibration was learned from; None: not known


def trust(predictions: Predictions, labels: Labels) -> Trust:
    """Hold the sets and the abstention of N images against their labels."""
    sets = None if predictions.sets is None else predictions.sets.numpy()
    abstained = None if predictions.abstained is None else predictions.abstained.numpy().astype(bool)
    answered = predictions.ok.numpy()
    known = answered & (labels.true >= 0)
    record: Mapping[str, object] = predictions.manifest.get("calibration") or {}
    seen = predictions.manifest.get("calibration_learned_from")
    conformal, abstention = _part(record, "conformal"), _part(record, "abstention")
    covered = None if sets is None else _share(sets[known, labels.true[known]], labels, known, conformal, "coverage")
    withheld = None if abstained is None else _share(abstained[known], labels, known, abstention, "rate")
    each_class = bool(conformal.get("class_conditional"))
    return Trust(
        abstentions=None if abstained is None else int((abstained & answered).sum()),
        set_size=None if sets is None or not answered.any() else float(sets[answered].sum(axis=1).mean()),
        covered=covered,
        each_class=each_class,
        least=None if sets is None or not each_class else _least(predictions.classes, sets, labels, known, conformal),
        withheld=None if withheld is None else replace(withheld, at_most=True),
        learned_from=seen if isinstance(seen, int) else None,
    )


def share(hits: NDArray[np.bool_], clusters: ArrayLike | None, asked: float | None = None) -> Share | None:
    """How many of (n,) images, with a bootstrap interval that draws what they belong to; None without images."""
    if not len(hits):
        return None
    same = np.zeros(len(hits), dtype=int)
    (drawn,) = bootstrap(same, [np.where(hits, 0, 1)], 2, clusters=clusters)  # the accuracy is the share of hits
    low, high = interval(drawn.accuracy)
    return Share(int(hits.sum()), len(hits), low, high, asked)


def _share(
    hits: NDArray[np.bool_], labels: Labels, known: NDArray[np.bool_], asked: Mapping[str, object], name: str
) -> Share | None:
    rate = asked.get(name)
    return share(hits, labels.clusters_of(known), rate if isinstance(rate, float | int) else None)


def _least(
    classes: Sequence[str],
    sets: NDArray[np.bool_],
    labels: Labels,
    known: NDArray[np.bool_],
    asked: Mapping[str, object],
) -> tuple[str, Share] | None:
    own = {index: known & (labels.true == index) for index in np.unique(labels.true[known]).tolist()}
    if not own:
        return None
    worst = min(own, key=lambda index: sets[own[index], index].mean())
    one = _share(sets[own[worst], worst], labels, own[worst], asked, "coverage")
    return None if one is None else (classes[worst], one)


def _part(record: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = record.get(name)
    return part if isinstance(part, Mapping) else {}
