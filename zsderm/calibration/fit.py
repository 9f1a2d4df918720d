"""A calibration learned from labelled images: from the predictions of a classifier, or from plain arrays.

Letters: N images, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import Any

import numpy as np
import torch

from zsderm.arrays import Array, Labels
from zsderm.calibration.abstention import fit_abstention
from zsderm.calibration.conformal import fit_conformal
from zsderm.calibration.photographs import photograph_digests
from zsderm.calibration.record import Calibration, prediction_settings
from zsderm.calibration.temperature import fit_temperature, scale_probabilities
from zsderm.errors import InputError, SettingsError
from zsderm.predictions import Predictions
from zsderm.wording import counted


def calibrate_on(
    predictions: Predictions,
    labels: Labels,
    *,
    coverage: float | None = 0.9,
    set_score: str = "lac",
    class_conditional: bool = False,
    abstain_rate: float | None = None,
    abstain_score: str = "energy",
    source: str = "",
) -> Calibration:
    """Learn temperature, conformal thresholds and abstention threshold from predictions with true labels.

    Args:
        predictions: of N images.
        labels: (N,) int, the true class of each image; negative where it is not known. Images without a label or an
            answer are left out.
        coverage: see `fit_calibration`, as for the rest.
        set_score: of prediction sets.
        class_conditional: whether the coverage holds within each class.
        abstain_rate: share of answers to known classes to withhold; None for none.
        abstain_score: what the threshold is on.
        source: where the labels came from, kept with the record.

    Returns:
        The record, with the settings of the predictions: `apply_calibration` refuses those of other settings. It holds
        digests of the photographs, if they are files, so that a report can tell that it was learned from them.

    Raises:
        InputError: no image has both a label and an answer.
        SettingsError: see `fit_calibration`.

    Warns:
        FallbackWarning: see `fit_calibration`.
    """
    true = _indices(labels, *predictions.probabilities.shape)
    known = predictions.ok & (true >= 0)  # (N,)
    if not known.any():
        raise InputError(
            f"none of {counted(len(predictions), 'image')} has both a true label and an answer to calibrate with"
        )
    made_with = prediction_settings(predictions)
    energies = None if predictions.energy is None else predictions.energy[known]
    digests = photograph_digests(list(compress(predictions.images, known.tolist())))
    record = fit_calibration(
        predictions.probabilities[known].log(),
        true[known],
        coverage=coverage,
        set_score=set_score,
        class_conditional=class_conditional,
        abstain_rate=abstain_rate,
        abstain_score=abstain_score,
        scores=energies,
        energy_temperature=made_with.get("encoder_temperature", 1.0),
        classes=predictions.classes,
        source=source,
        made_with=made_with,
    )
    # Of pictures that are no files nothing is known: then nobody can tell later whether they were these.
    return replace(record, photographs=tuple(sorted(set(digests)))) if all(digests) else record


def _indices(labels: Labels, count: int, class_count: int) -> torch.Tensor:
    """(N,) int64 labels; what is none is refused, even where there is no answer."""
    given = np.asarray(labels)
    if given.shape != (count,) or given.dtype.kind not in "iu" or given.max(initial=-1) >= class_count:
        raise InputError(
            f"Expected `labels` to be {count} integers below {class_count}, one for each image, but got "
            f"{str(given.tolist())[:80]}."
        )
    return torch.from_numpy(given.astype(np.int64))


def fit_calibration(
    log_probabilities: Array,
    labels: Labels,
    *,
    coverage: float | None = 0.9,
    set_score: str = "lac",
    class_conditional: bool = False,
    abstain_rate: float | None = None,
    abstain_score: str = "energy",
    scores: Array | None = None,
    energy_temperature: float = math.nan,
    classes: Sequence[str] = (),
    source: str = "",
    made_with: Mapping[str, Any] | None = None,
) -> Calibration:
    """Learn temperature, conformal thresholds and abstention threshold from one set of labelled images.

    All three are learned from the same images, although strictly the thresholds should come from images that the
    temperature has not seen. A single number fitted to all of them moves coverage by less than can be measured, from
    30 images on (tests/calibration/test_fit.py).

    Args:
        log_probabilities: (N, C) log probabilities as the classifier gave them, without NaN.
        labels: (N,) int, the true class of each image, 0 to C - 1.
        coverage: of prediction sets; None for no sets.
        set_score: "lac", "aps" or "raps", see `fit_conformal`.
        class_conditional: whether the coverage holds within each class.
        abstain_rate: share of answers to known classes to withhold; None for none.
        abstain_score: "energy", "max-probability" or "margin", see `familiarity`.
        scores: (N, C) cosines that the probabilities were made from, or (N,) their energies; for "energy" alone.
        energy_temperature: of "energy", in units of cosine; the encoder's own will do.
        classes: C names, kept with the record.
        source: where the labels came from, kept with the record.
        made_with: encoder, method and the like of the probabilities, kept with the record.

    Returns:
        The record; `scale_probabilities`, `conformal_sets` and `abstain` take its parts.

    Raises:
        SettingsError: a table, label or setting that cannot be used.

    Warns:
        FallbackWarning: too few images for the coverage or rate, or labels that contradict the probabilities.
    """
    temperature = fit_temperature(log_probabilities, labels)
    probabilities = scale_probabilities(log_probabilities, temperature.value)  # (N, C)
    conformal = abstention = None
    if coverage is not None:
        conformal = fit_conformal(
            probabilities, labels, coverage, score=set_score, class_conditional=class_conditional, classes=classes
        )
    if abstain_rate is not None and abstain_score == "energy":
        if scores is None:
            raise SettingsError("Expected scores, (N, C) cosines, for abstention by energy, but got none.")
        abstention = fit_abstention(scores, abstain_rate, score="energy", temperature=energy_temperature)
    elif abstain_rate is not None:
        abstention = fit_abstention(probabilities, abstain_rate, score=abstain_score)
    return Calibration(
        temperature.value, conformal, abstention, temperature.n, source, tuple(classes), dict(made_with or {})
    )
