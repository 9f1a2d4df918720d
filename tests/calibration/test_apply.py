from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from zsderm.calibration import (
    Calibration,
    apply_calibration,
    calibrate_groups,
    calibrate_on,
    familiarity,
    fit_calibration,
)
from zsderm.errors import FallbackWarning, InputError, SettingsError
from zsderm.groups import ImageGroups, group_predictions
from zsderm.predictions import Predictions

CLASSES = ("nevus", "melanoma", "psoriasis")
NAN = float("nan")
MANIFEST = {
    "encoder": {"name": "tiny", "fingerprint": "0123", "temperature": 0.1},
    "sentences": "abcd",
    "settings": {"method": "kpl", "retrieval": "batch", "k": 10, "name_weight": 0.5, "centre": False, "batch_size": 64},
    "temperature": 0.1,
    "fitted": None,
}


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
    return Predictions(names, CLASSES, probabilities, "templates", "none", "kpl", evidence, errors, energy=familiar)


def calibration(predictions: Predictions, **how: object) -> Calibration:
    generator = torch.Generator().manual_seed(1)
    labels = predictions.probabilities[:59].sqrt().multinomial(1, generator=generator)[:, 0]  # less sure than stated
    log_probabilities = predictions.probabilities[:59].log()
    if how.get("abstain_score") == "energy":
        how["scores"] = predictions.energy[:59]
        how["energy_temperature"] = 0.1
    return fit_calibration(log_probabilities, labels, classes=CLASSES, **how)


def test_no_label_changes_and_an_image_without_an_answer_stays_one(predictions: Predictions) -> None:
    answer = apply_calibration(predictions, calibration(predictions, coverage=0.8))
    assert answer.labels == predictions.labels and not torch.equal(answer.probabilities, predictions.probabilities)
    assert answer.probabilities[-1].isnan().all() and answer.set_names[-1] == [] and answer.abstained is None
    assert all(label in names for label, names in zip(answer.labels[:59], answer.set_names[:59], strict=True))
    assert answer.manifest["calibration"]["n"] == 59


@pytest.mark.parametrize("score", ["energy", "max-probability"])
def test_the_stated_share_of_answers_is_withheld(predictions: Predictions, score: str) -> None:
    answer = apply_calibration(
        predictions, calibration(predictions, coverage=None, abstain_rate=0.2, abstain_score=score)
    )
    assert answer.sets is None and answer.abstained is not None
    assert 0.1 < answer.abstained[:59].float().mean() <= 0.2


def test_another_class_list_and_missing_energies_are_refused(predictions: Predictions) -> None:
    energetic = calibration(predictions, abstain_rate=0.2, abstain_score="energy")
    blind = Predictions(**{**vars(predictions), "energy": None})
    with pytest.raises(SettingsError, match="by energy, but these predictions have none"):
        apply_calibration(blind, energetic)
    other = Predictions(**{**vars(predictions), "classes": ("a", "b", "c")})
    with pytest.raises(SettingsError, match="classes of the calibration"):
        apply_calibration(other, energetic)


def mostly_right(predictions: Predictions) -> torch.Tensor:
    """(60,) the most probable class of each image, but the next one for every fourth."""
    return (predictions.probabilities.argmax(dim=1) + (torch.arange(60) % 4 == 0)) % 3


def changed(predictions: Predictions, **changes: object) -> Predictions:
    return replace(predictions, manifest={**MANIFEST, **changes})


def test_a_calibration_on_predictions_equals_one_from_their_arrays(predictions: Predictions) -> None:
    labels = torch.cat([mostly_right(predictions)[:30], torch.full((30,), -1)])  # half of the images have no label
    record = calibrate_on(changed(predictions), labels, abstain_rate=0.2, source="labels.csv")
    slow = fit_calibration(
        predictions.probabilities[:30].log(),
        labels[:30],
        abstain_rate=0.2,
        scores=predictions.energy[:30],
        energy_temperature=0.1,
    )
    assert (record.temperature, record.conformal, record.abstention) == (
        slow.temperature,
        slow.conformal,
        slow.abstention,
    )
    assert record.classes == CLASSES and record.n == 30 and record.source == "labels.csv"
    assert record.made_with["encoder"] == "0123" and record.made_with["method"] == "templates"
    assert Calibration.from_dict(record.to_dict()) == record


def test_without_a_labelled_answer_there_is_nothing_to_calibrate_with(predictions: Predictions) -> None:
    labels = torch.full((60,), -1)
    labels[-1] = 0  # the image that was not answered
    with pytest.raises(InputError, match="none of 60 images has both"):
        calibrate_on(predictions, labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": {"name": "tiny", "fingerprint": "4567", "temperature": 0.1}}, "with encoder 0123, but .* 4567"),
        ({"sentences": "efgh"}, "class texts abcd, but these were made with class texts efgh"),
        ({"settings": {**MANIFEST["settings"], "k": 5}}, "k 10, but these were made with k 5"),
        ({"fitted": "0123456789abcdef"}, "not fitted, but these were made with the fitted classifier 0123456789abcdef"),
    ],
)
def test_predictions_made_otherwise_are_refused(predictions, changes: dict[str, object], message: str) -> None:
    record = calibrate_on(changed(predictions), mostly_right(predictions), coverage=0.5)
    settings = {**MANIFEST["settings"], "batch_size": 8}  # changes nothing that counts
    apply_calibration(changed(predictions, settings=settings), record)
    with pytest.raises(SettingsError, match=message):
        apply_calibration(changed(predictions, **changes), record)
    with pytest.raises(SettingsError, match="method templates, but these were made with method kpl"):
        apply_calibration(replace(changed(predictions), method="kpl"), record)


def test_a_folder_of_another_temperature_gets_the_same_probabilities(predictions, scores: torch.Tensor) -> None:
    record = calibrate_on(changed(predictions), mostly_right(predictions), coverage=None)
    probabilities = (scores / 0.13).softmax(dim=1)
    probabilities[-1] = NAN
    elsewhere = replace(changed(predictions, temperature=0.13), probabilities=probabilities)
    torch.testing.assert_close(
        apply_calibration(elsewhere, record).probabilities,
        apply_calibration(changed(predictions), record).probabilities,
        equal_nan=True,
    )


def test_groups_share_the_temperature_of_the_photographs_and_nothing_else(predictions: Predictions) -> None:
    record = calibration(predictions, coverage=0.8, abstain_rate=0.1, abstain_score="energy")
    members = ImageGroups.of(["a"] * 60, predictions.images)
    first = predictions.probabilities[:1]
    answers = Predictions(("a",), CLASSES, first, "templates", "none", "kpl", ((),))
    found = calibrate_groups(group_predictions(predictions, answers, members), record)
    single = apply_calibration(predictions, record)
    torch.testing.assert_close(found.photographs.probabilities, single.probabilities, equal_nan=True)
    torch.testing.assert_close(found.answers.probabilities, single.probabilities[:1])
    assert found.photographs.sets is not None and found.photographs.abstained is not None
    assert found.answers.sets is None and found.answers.abstained is None


def test_predictions_of_other_views_are_refused_and_a_record_that_knows_of_none_is_of_one(
    predictions: Predictions,
) -> None:
    def of(views: dict[str, int]) -> Predictions:
        return replace(predictions, manifest={**MANIFEST, "settings": {**MANIFEST["settings"], **views}})

    labels = predictions.probabilities.nan_to_num().argmax(dim=1).numpy()
    for before, fine, wrong in (({}, 1, 4), ({"views": 4}, 4, 1)):
        record = calibrate_on(of(before), labels)
        apply_calibration(of({"views": fine}), record)
        with pytest.raises(SettingsError, match="with views"):
            apply_calibration(of({"views": wrong}), record)


def under(predictions: Predictions, prior: object, used: str = "given") -> Predictions:
    settings = {**MANIFEST["settings"], "prior": prior}
    return replace(predictions, prior=used, method="kpl", manifest={**MANIFEST, "settings": settings})


SHARES = {"nevus": 0.5, "melanoma": 0.3, "psoriasis": 0.2}


@pytest.mark.parametrize("other", ["uniform", "auto", {**SHARES, "nevus": 0.6}], ids=repr)
def test_predictions_under_another_prior_are_refused(predictions: Predictions, other: object) -> None:
    record = calibrate_on(under(predictions, SHARES), mostly_right(predictions), coverage=0.5)
    record = Calibration.from_dict(json.loads(json.dumps(record.to_dict())))
    apply_calibration(under(predictions, dict(SHARES)), record)
    with pytest.raises(SettingsError, match=r"with prior .* but these were made with prior"):
        apply_calibration(under(predictions, other, "estimated"), record)


def test_a_prior_on_which_nothing_rests_does_not_count(predictions: Predictions) -> None:
    record = calibrate_on(under(predictions, "auto", "none"), mostly_right(predictions), coverage=0.5)
    apply_calibration(under(predictions, "uniform", "none"), record)


def test_a_record_that_does_not_say_its_prior_is_applied_with_a_warning(predictions: Predictions) -> None:
    record = calibrate_on(under(predictions, "auto"), mostly_right(predictions), coverage=0.5)
    older = replace(record, made_with={key: value for key, value in record.made_with.items() if key != "prior"})
    with pytest.warns(FallbackWarning, match="does not say which prior it was made under"):
        apply_calibration(under(predictions, "uniform"), older)
