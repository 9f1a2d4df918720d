"""A calibration applied to the predictions of a classifier.

Letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from zsderm.calibration.abstention import AbstentionThreshold, abstain
from zsderm.calibration.conformal import conformal_sets
from zsderm.calibration.record import SMOOTH, Calibration, prediction_settings
from zsderm.calibration.temperature import scale_probabilities
from zsderm.errors import SettingsError
from zsderm.groups import GroupPredictions
from zsderm.predictions import Predictions
from zsderm.wording import counted


def apply_calibration(predictions: Predictions, calibration: Calibration) -> Predictions:
    """The same labels with calibrated probabilities, prediction sets and abstention.

    Args:
        predictions: of the method, encoder and classes that were calibrated.
        calibration: from `calibrate_on` or `fit_calibration`.

    Returns:
        Predictions with calibrated probabilities, prediction sets and abstention, as far as the calibration has them.
        No label changes. The manifest says how many of the images the calibration was learned from
        (``calibration_learned_from``; None where it does not record that).

    Raises:
        SettingsError: other classes, another encoder, class texts, method or fit than those that were calibrated, or an
            abstention by energy where the predictions have none.
    """
    calibration = calibration.in_order_of(predictions.classes)
    made_with = prediction_settings(predictions)
    if predictions.ok.any():  # without any answer there is nothing to compare
        _check_smoothed(predictions, calibration, made_with)
        calibration.check_settings(made_with)
    probabilities = scale_probabilities(predictions.probabilities.log(), calibration.temperature_for(made_with))
    conformal, abstention = calibration.conformal, calibration.abstention
    withheld = None
    if abstention is not None:
        withheld = abstain(_read_by(abstention, predictions, probabilities), abstention)
    return replace(
        predictions,
        probabilities=probabilities,
        sets=None if conformal is None else conformal_sets(probabilities, conformal),
        abstained=withheld,
        manifest={
            **predictions.manifest,
            "calibration": replace(calibration, photographs=None).to_dict(),
            "calibration_learned_from": calibration.learned_from(predictions.images),
        },
    )


def calibrate_groups(found: GroupPredictions, calibration: Calibration) -> GroupPredictions:
    """Photographs as `apply_calibration` has it, and groups with the temperature that was learned on photographs.

    Groups get no prediction sets and no abstention: their thresholds promise something of single photographs only, and
    the mean of several lies elsewhere. The same is true of the temperature, but without it the probabilities of a group
    could not be set beside those of its photographs.

    Raises:
        SettingsError: see `apply_calibration`.
    """
    return replace(
        found,
        photographs=apply_calibration(found.photographs, calibration),
        answers=apply_calibration(
            found.answers, replace(calibration, conformal=None, abstention=None, photographs=None)
        ),
    )


def _check_smoothed(predictions: Predictions, calibration: Calibration, made_with: Mapping[str, Any]) -> None:
    """Refuse a folder that was too small to be smoothed as the calibration was, with what to do then."""
    asked = predictions.manifest.get("settings", {}).get(SMOOTH, 0.0)
    if asked and not made_with.get(SMOOTH) and calibration.made_with.get(SMOOTH):
        raise SettingsError(
            f"the calibration was made with smoothed answers, but {counted(int(predictions.ok.sum()), 'photograph')} "
            "are too few to smooth. Classify more photographs together, or make a calibration without smoothing."
        )


def _read_by(threshold: AbstentionThreshold, predictions: Predictions, probabilities: torch.Tensor) -> torch.Tensor:
    """(N,) energies or (N, C) probabilities, whichever the threshold was fitted on."""
    if threshold.reads == "probabilities":
        return probabilities
    if predictions.energy is None:
        raise SettingsError(
            "the calibration abstains by energy, but these predictions have none. "
            "Calibrate with abstain_score='max-probability'."
        )
    return predictions.energy
