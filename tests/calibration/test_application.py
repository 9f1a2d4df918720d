from __future__ import annotations

import pytest
import torch

from zsderm.calibration import Calibration, familiarity, fit_calibration, trusted
from zsderm.errors import SettingsError
from zsderm.predictions import Predictions

CLASSES = ("nevus", "melanoma", "psoriasis")
NAN = float("nan")


@pytest.fixture
def scores() -> torch.Tensor:
    return torch.rand(60, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def predictions(scores: torch.Tensor) -> Predictions:
    """Sixty answers, the last of them missing."""
    probabilities = (scores / 0.1).softmax(dim=1)
    familiar = familiarity(scores, "energy", 0.1).float()
    probabilities[-1], familiar[-1] = NAN, NAN
    names = tuple(f"{n}.jpg" for n in range(60))
    evidence, errors = ((),) * 60, {"59.jpg": "empty"}
    return Predictions(
        names, CLASSES, probabilities, "templates", "none", "kpl", evidence, errors, familiarity=familiar
    )


def calibration(predictions: Predictions, **how: object) -> Calibration:
    generator = torch.Generator().manual_seed(1)
    labels = predictions.probabilities[:59].sqrt().multinomial(1, generator=generator)[:, 0]  # less sure than stated
    log_probabilities = predictions.probabilities[:59].log()
    if how.get("abstain_score") == "energy":
        how["scores"] = predictions.familiarity[:59]
        how["energy_temperature"] = 0.1
    return fit_calibration(log_probabilities, labels, classes=CLASSES, **how)


def test_no_label_changes_and_an_image_without_an_answer_stays_one(predictions: Predictions) -> None:
    answer = trusted(predictions, calibration(predictions, coverage=0.8))
    assert answer.labels == predictions.labels and not torch.equal(answer.probabilities, predictions.probabilities)
    assert answer.probabilities[-1].isnan().all() and answer.set_names[-1] == [] and answer.abstained is None
    assert all(label in names for label, names in zip(answer.labels[:59], answer.set_names[:59], strict=True))
    assert answer.manifest["calibration"]["n"] == 59


@pytest.mark.parametrize("score", ["energy", "max-probability"])
def test_the_stated_share_of_answers_is_withheld(predictions: Predictions, score: str) -> None:
    answer = trusted(predictions, calibration(predictions, coverage=None, abstain_rate=0.2, abstain_score=score))
    assert answer.sets is None and answer.abstained is not None
    assert 0.1 < answer.abstained[:59].float().mean() <= 0.2


def test_another_class_list_and_missing_energies_are_refused(predictions: Predictions) -> None:
    energetic = calibration(predictions, abstain_rate=0.2, abstain_score="energy")
    blind = Predictions(**{**vars(predictions), "familiarity": None})
    with pytest.raises(SettingsError, match="no familiarity"):
        trusted(blind, energetic)
    other = Predictions(**{**vars(predictions), "classes": ("a", "b", "c")})
    with pytest.raises(SettingsError, match="classes of the calibration"):
        trusted(other, energetic)
