"""Everything that one labelled folder teaches about probabilities, in one record that can be kept and applied.

Letters: N images, C classes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from zsderm.arrays import Array, check_positive
from zsderm.atomic_files import atomic_file
from zsderm.calibration.abstention import AbstentionThreshold, abstain
from zsderm.calibration.conformal import ConformalThresholds, conformal_sets
from zsderm.calibration.temperature import scale_probabilities
from zsderm.errors import SettingsError

VERSION = 1  # of the dictionary; another number is refused


@dataclass(frozen=True)
class Calibration:
    """What was learned from labelled images: how sure to be, which classes to list, when to say nothing."""

    temperature: float  # log probabilities are divided by it; 1 changes nothing, above 1 is less sure
    conformal: ConformalThresholds | None = None  # None: no sets were asked for
    abstention: AbstentionThreshold | None = None  # None: no answer is withheld
    n: int = 0  # labelled images
    source: str = ""  # where the labels came from, and what made the probabilities
    classes: tuple[str, ...] = ()  # C names in the order of the columns; empty: not recorded
    made_with: Mapping[str, Any] = field(default_factory=dict)  # what made the probabilities; empty: not recorded

    def __post_init__(self) -> None:
        """Refuse a temperature that is none."""
        check_positive(temperature=self.temperature)

    def check_classes(self, classes: Sequence[str]) -> None:
        """Refuse a class list that differs from the recorded one.

        Raises:
            SettingsError: another name, or another order.
        """
        if self.classes and tuple(classes) != self.classes:
            raise SettingsError(
                f"Expected the classes of the calibration, in their order ({', '.join(self.classes)}), "
                f"but got {', '.join(classes)}. Calibrate again with the class list that is used."
            )

    def to_dict(self) -> dict[str, Any]:
        """The record, ready for JSON."""
        return {
            "version": VERSION,
            "temperature": self.temperature,
            "conformal": self.conformal and self.conformal.to_dict(),
            "abstention": self.abstention and self.abstention.to_dict(),
            "n": self.n,
            "source": self.source,
            "classes": list(self.classes),
            "made_with": dict(self.made_with),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Calibration:
        """What `to_dict` wrote, checked.

        Raises:
            SettingsError: another version, or fields that are missing or mean nothing.
        """
        if not isinstance(fields, Mapping) or fields.get("version") != VERSION:
            found = fields.get("version") if isinstance(fields, Mapping) else type(fields).__name__
            raise SettingsError(f"Expected a calibration of version {VERSION}, but got {found!r}. Calibrate again.")
        try:
            conformal, abstention = fields["conformal"], fields["abstention"]
            return cls(
                float(fields["temperature"]),
                None if conformal is None else ConformalThresholds.from_dict(conformal),
                None if abstention is None else AbstentionThreshold.from_dict(abstention),
                int(fields["n"]),
                str(fields["source"]),
                tuple(str(name) for name in fields["classes"]),
                dict(fields.get("made_with", {})),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, SettingsError):
                raise
            raise SettingsError(f"Expected the fields of a calibration, but {error!r} is amiss.") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record as JSON; the file is replaced whole or not at all.

        Raises:
            SettingsError: a place that cannot be written.
        """
        with atomic_file(path) as draft:
            draft.write_text(json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """What `save` wrote.

        Raises:
            SettingsError: a file that cannot be read, or holds no calibration.
        """
        try:
            fields = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"Expected a calibration as JSON in '{path}', but cannot read it: {error}.") from error
        return cls.from_dict(fields)


def calibrated(log_probabilities: Array, calibration: Calibration) -> torch.Tensor:
    """Probabilities as sure as the labelled images allow.

    Args:
        log_probabilities: (N, C) log probabilities as the classifier gave them, with the classes, method and encoder
            that were calibrated. A row with NaN, an image without an answer, stays NaN.
        calibration: from `fit_calibration`.

    Returns:
        (N, C) float32, each row sums to 1. The most probable class of an image does not change.
    """
    return scale_probabilities(log_probabilities, calibration.temperature)


def prediction_sets(probabilities: Array, calibration: Calibration) -> torch.Tensor:
    """The classes that cannot be ruled out for each image.

    Args:
        probabilities: (N, C) from `calibrated`.
        calibration: one with conformal thresholds.

    Returns:
        (N, C) bool, see `conformal_sets`: the most probable class is always in the set; a row of NaN has none.

    Raises:
        SettingsError: a calibration without conformal thresholds, or another number of classes.
    """
    if calibration.conformal is None:
        raise SettingsError("Expected a calibration with conformal thresholds, but it was made without a coverage.")
    return conformal_sets(probabilities, calibration.conformal)


def abstains(table: Array, calibration: Calibration) -> torch.Tensor:
    """Whether to answer "none of these" for each image.

    Args:
        table: (N, C) of what `calibration.abstention.reads` names: probabilities from `calibrated`, or cosines; or
            (N,) what `familiarity` made of it.
        calibration: one with an abstention threshold; without one, only images without an answer abstain.

    Returns:
        (N,) bool; True for a row with NaN.
    """
    if calibration.abstention is None:
        missing = torch.as_tensor(table).detach().cpu().isnan()
        return missing if missing.ndim == 1 else missing.any(dim=1)
    return abstain(table, calibration.abstention)
