"""A calibration, applied to what a classifier answered."""

from __future__ import annotations

from dataclasses import replace

import torch

from zsderm.calibration.abstention import AbstentionThreshold
from zsderm.calibration.record import Calibration, abstains, calibrated, prediction_sets
from zsderm.errors import SettingsError
from zsderm.predictions import Predictions


def trusted(predictions: Predictions, calibration: Calibration) -> Predictions:
    """The same answers, as sure as the labelled images of a calibration allow.

    Args:
        predictions: of the method, encoder and classes that were calibrated.
        calibration: from `fit_calibration`.

    Returns:
        Predictions with calibrated probabilities, prediction sets and abstention, as far as the calibration has them.
        No label changes.

    Raises:
        SettingsError: another class list, or an abstention by energy where the predictions have no familiarity.
    """
    calibration.check_classes(predictions.classes)
    probabilities = calibrated(predictions.probabilities.log(), calibration)
    abstained = None
    if calibration.abstention is not None:
        abstained = abstains(_read_by(calibration.abstention, predictions, probabilities), calibration)
    return replace(
        predictions,
        probabilities=probabilities,
        sets=None if calibration.conformal is None else prediction_sets(probabilities, calibration),
        abstained=abstained,
        manifest={**predictions.manifest, "calibration": calibration.to_dict()},
    )


def _read_by(threshold: AbstentionThreshold, predictions: Predictions, probabilities: torch.Tensor) -> torch.Tensor:
    """(N,) energies or (N, C) probabilities, whichever the threshold was fitted on."""
    if threshold.reads == "probabilities":
        return probabilities
    if predictions.familiarity is None:
        raise SettingsError(
            "the calibration abstains by energy, but these predictions have no familiarity. "
            "Calibrate with abstain_score='max-probability'."
        )
    return predictions.familiarity
