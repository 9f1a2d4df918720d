"""Calibration: probabilities, prediction sets and "none of these" that agree with labelled images.

A calibration is learned once, kept as a record, and applied to the predictions of the same classifier::

    calibrate_on              predictions and their true labels -> Calibration (fit_calibration: from arrays)
    Calibration               temperature, conformal thresholds and abstention threshold; save and load
    apply_calibration         predictions and a Calibration -> the predictions, calibrated, with sets and abstention
    calibrate_groups          the same for predictions with one answer per lesion or patient

Each part alone, from arrays to arrays::

    fit_temperature           log probabilities and labels -> Temperature
    held_out_harm             log probabilities and labels -> by how much a fitted temperature harms images left out
    unlabelled_temperature    scores, image and sentence features -> temperature, without labels
    scale_probabilities       log probabilities and a temperature -> probabilities
    fit_conformal             probabilities and labels -> ConformalThresholds
    conformal_sets            probabilities and ConformalThresholds -> the classes that cannot be ruled out
    familiarity               probabilities or cosines -> how much each image looks like any of the classes
    fit_abstention            the same -> AbstentionThreshold (threshold_for_rate: from familiarities)
    abstain                   the same and an AbstentionThreshold -> which answers are withheld
"""

from zsderm.calibration.abstention import (
    FAMILIARITIES,
    AbstentionThreshold,
    abstain,
    familiarity,
    fit_abstention,
    threshold_for_rate,
)
from zsderm.calibration.apply import apply_calibration, calibrate_groups
from zsderm.calibration.conformal import SET_SCORES, ConformalThresholds, conformal_sets, fit_conformal
from zsderm.calibration.fit import calibrate_on, fit_calibration
from zsderm.calibration.record import Calibration
from zsderm.calibration.temperature import (
    Temperature,
    fit_temperature,
    held_out_harm,
    scale_probabilities,
    unlabelled_temperature,
)

__all__ = [
    "FAMILIARITIES",
    "SET_SCORES",
    "AbstentionThreshold",
    "Calibration",
    "ConformalThresholds",
    "Temperature",
    "abstain",
    "apply_calibration",
    "calibrate_groups",
    "calibrate_on",
    "conformal_sets",
    "familiarity",
    "fit_abstention",
    "fit_calibration",
    "fit_conformal",
    "fit_temperature",
    "held_out_harm",
    "scale_probabilities",
    "threshold_for_rate",
    "unlabelled_temperature",
]
