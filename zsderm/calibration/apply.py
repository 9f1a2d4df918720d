"""A calibration applied to what a classifier answers later.

Letters: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from zsderm.calibration.abstention import AbstentionThreshold
from zsderm.calibration.record import Calibration, abstains, prediction_sets
from zsderm.calibration.temperature import scale_probabilities
from zsderm.errors import SettingsError
from zsderm.predictions import Predictions

SETTINGS = ("retrieval", "k", "name_weight", "centre")  # those that change what a probability means
TEMPERATURE = "temperature"


def prediction_settings(predictions: Predictions) -> dict[str, Any]:
    """What a probability depends on besides the image: encoder, class texts, method, settings, fitted proxies."""
    manifest = predictions.manifest
    if not manifest.get("encoder"):
        return {}
    settings = manifest.get("settings", {})
    return {
        "encoder": manifest["encoder"]["fingerprint"],
        "encoder_temperature": manifest["encoder"].get("temperature", 1.0),
        "sentences": manifest.get("sentences"),
        "method": predictions.method,
        **{name: settings[name] for name in SETTINGS if name in settings},
        "fitted": manifest.get("fitted"),
        TEMPERATURE: manifest.get(TEMPERATURE),
    }


def apply_calibration(predictions: Predictions, calibration: Calibration) -> Predictions:
    """The same answers, as sure as the labelled images of a calibration allow.

    Args:
        predictions: of the method, encoder and classes that were calibrated.
        calibration: from `calibrate_on` or `fit_calibration`.

    Returns:
        Predictions with calibrated probabilities, prediction sets and abstention, as far as the calibration has them.
        No label changes.

    Raises:
        SettingsError: another class list, encoder, class texts, method or fit than those that were calibrated, or an
            abstention by energy where the predictions have no familiarity.
    """
    calibration.check_classes(predictions.classes)
    maker = prediction_settings(predictions)
    if predictions.ok.any():  # else there is nothing to hold against it
        _check_maker(calibration.made_with, maker)
    factor = calibration.temperature * _rescaling(calibration.made_with, maker)
    probabilities = scale_probabilities(predictions.probabilities.log(), factor)
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


def _check_maker(expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse predictions that were not made as those that were calibrated."""
    for name, value in expected.items():
        if name != TEMPERATURE and name in found and found[name] != value:
            raise SettingsError(
                f"Expected predictions made as those that were calibrated, with {_said(name, value)}, but these were "
                f"made with {_said(name, found[name])}. Use the same settings, or fit once and calibrate that."
            )


def _said(name: str, value: object) -> str:
    if name == "fitted":
        return f"the fitted classifier {value}" if value else "a classifier that was not fitted"
    return f"{'class texts' if name == 'sentences' else name} {value}"


def _rescaling(expected: Mapping[str, Any], found: Mapping[str, Any]) -> float:
    """What undoes that the two folders, without labels, led to slightly different temperatures."""
    before, now = expected.get(TEMPERATURE), found.get(TEMPERATURE)
    return 1.0 if not (before and now) else before / now


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
