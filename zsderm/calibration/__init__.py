"""How far an answer can be trusted: pure functions from probabilities and labels to calibrated answers.

::

    unlabelled_temperature    images and sentences -> temperature, without labels
    calibrate_on              predictions and their true labels -> temperature and thresholds, in one record
    fit_calibration           the same from arrays
    calibrated                log probabilities -> probabilities as sure as the labelled images allow
    prediction_sets           probabilities -> the classes that cannot be ruled out
    abstains                  probabilities or cosines -> "none of these"
    apply_calibration         predictions and a calibration -> the same answers with all of the above
"""

from zsderm.calibration.abstention import (
    FAMILIARITIES,
    AbstentionThreshold,
    abstain,
    familiarity,
    fit_abstention,
    threshold_for_rate,
)
from zsderm.calibration.apply import apply_calibration
from zsderm.calibration.conformal import SET_SCORES, ConformalThresholds, conformal_sets, fit_conformal
from zsderm.calibration.fit import calibrate_on, fit_calibration
from zsderm.calibration.record import Calibration, abstains, calibrated, prediction_sets
from zsderm.calibration.temperature import Temperature, fit_temperature, scale_probabilities, unlabelled_temperature

__all__ = [
    "FAMILIARITIES",
    "SET_SCORES",
    "AbstentionThreshold",
    "Calibration",
    "ConformalThresholds",
    "Temperature",
    "abstain",
    "abstains",
    "apply_calibration",
    "calibrate_on",
    "calibrated",
    "conformal_sets",
    "familiarity",
    "fit_abstention",
    "fit_calibration",
    "fit_conformal",
    "fit_temperature",
    "prediction_sets",
    "scale_probabilities",
    "threshold_for_rate",
    "unlabelled_temperature",
]
