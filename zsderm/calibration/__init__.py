"""How far an answer can be trusted: pure functions from probabilities and labels to calibrated answers.

::

    unlabelled_temperature    images and sentences -> temperature, without labels
    calibrate_on              predictions and their true labels -> temperature and thresholds, in one record
    fit_calibration           the same from arrays
    calibrated                log probabilities -> probabilities as sure as the labelled images allow
    prediction_sets           probabilities -> the classes that cannot be ruled out
    abstains                  probabilities or cosines -> "none of these"
    trusted                   predictions and a calibration -> the same answers with all of the above
"""

from zsderm.calibration.abstention import (
    FAMILIARITIES,
    AbstentionThreshold,
    familiarity,
    fit_abstention,
    threshold_for_rate,
    withheld,
)
from zsderm.calibration.apply import trusted
from zsderm.calibration.conformal import SET_SCORES, ConformalThresholds, conformal_sets, fit_conformal
from zsderm.calibration.fit import calibrate_on, fit_calibration
from zsderm.calibration.record import Calibration, abstains, calibrated, prediction_sets
from zsderm.calibration.temperature import Temperature, fit_temperature, tempered, unlabelled_temperature

__all__ = [
    "FAMILIARITIES",
    "SET_SCORES",
    "AbstentionThreshold",
    "Calibration",
    "ConformalThresholds",
    "Temperature",
    "abstains",
    "calibrate_on",
    "calibrated",
    "conformal_sets",
    "familiarity",
    "fit_abstention",
    "fit_calibration",
    "fit_conformal",
    "fit_temperature",
    "prediction_sets",
    "tempered",
    "threshold_for_rate",
    "trusted",
    "unlabelled_temperature",
    "withheld",
]
