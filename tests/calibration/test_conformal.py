"""Sets that hold the true class as often as was asked, for every score, in every random split."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zsderm.calibration import SET_SCORES, ConformalThresholds, conformal_sets, fit_conformal
from zsderm.errors import FallbackWarning, SettingsError

OVERCONFIDENCE = 2.5


def world(images: int, classes: int = 5, seed: int = 0, shares: list[float] | None = None) -> tuple:
    """Overconfident probabilities and labels of exchangeable images, some classes rarer than others."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, images, p=shares)
    logits = rng.standard_normal((images, classes)) + 1.5 * np.eye(classes)[labels]
    return torch.softmax(torch.from_numpy(OVERCONFIDENCE * logits), dim=1), torch.from_numpy(labels)


def slow_sets(cal: np.ndarray, labels: np.ndarray, new: np.ndarray, coverage: float, score: str) -> np.ndarray:
    """The obvious twin, in loops and by the definitions."""

    def strangeness(row: np.ndarray, label: int) -> float:
        if score == "lac":
            return 1 - row[label]
        better = [p for p in row if p > row[label]]
        penalty = 0.01 * max(0, len(better) + 1 - 2) if score == "raps" else 0
        return sum(better) + penalty

    seen = sorted(strangeness(row, label) for row, label in zip(cal, labels, strict=True))
    threshold = seen[math.ceil((len(seen) + 1) * coverage) - 1]
    sets = np.zeros(new.shape, dtype=bool)
    for i, row in enumerate(new):
        for j in range(len(row)):
            sets[i, j] = strangeness(row, j) <= threshold + 1e-12 or row[j] == row.max()
    return sets


@pytest.mark.parametrize("score", SET_SCORES)
def test_equals_the_slow_twin(score: str) -> None:
    (cal, labels), (new, _) = world(60), world(40, seed=1)
    sets = conformal_sets(new, fit_conformal(cal, labels, 0.85, score=score))
    assert np.array_equal(sets.numpy(), slow_sets(cal.numpy(), labels.numpy(), new.numpy(), 0.85, score))


def test_a_tiny_case_by_hand() -> None:
    # Scores 1 - p of the true classes: 0.1, 0.2, 0.4, 0.7; rank ceil(5 * 0.6) = 3, so the threshold is 0.4.
    cal = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3]], dtype=torch.float64)
    found = fit_conformal(cal, [0, 0, 0, 1], 0.6)
    assert found.thresholds == pytest.approx((0.4, 0.4))
    assert found.counts == (3, 1)
    new = torch.tensor([[0.65, 0.35], [0.5, 0.5], [0.1, 0.9]])
    assert conformal_sets(new, found).tolist() == [[True, False], [True, True], [False, True]]


def test_nine_images_are_just_enough_for_90_percent() -> None:
    # (9 + 1) * 0.9 is 9, although not every order of floating point operations says so.
    cal, labels = world(9)
    found = fit_conformal(cal, labels, 0.9)
    assert found.thresholds[0] == pytest.approx((1 - cal[torch.arange(9), labels]).max().item())


@pytest.mark.parametrize("score", SET_SCORES)
@pytest.mark.parametrize(("calibration_images", "coverage"), [(19, 0.9), (50, 0.8), (200, 0.9)])
def test_a_set_holds_its_true_class_with_the_coverage_asked_for(
    score: str, calibration_images: int, coverage: float
) -> None:
    splits, unseen = 200, 25
    held = 0
    for seed in range(splits):
        table, labels = world(calibration_images + unseen, seed=seed)
        found = fit_conformal(table[unseen:], labels[unseen:], coverage, score=score)
        held += int(conformal_sets(table[:unseen], found)[torch.arange(unseen), labels[:unseen]].sum())
    # Coverage given one calibration set is Beta-distributed, so splits count, not images.
    deviation = math.sqrt(coverage * (1 - coverage) * (1 / (calibration_images + 2) + 1 / unseen) / splits)
    share = held / (splits * unseen)
    assert share > coverage - 3 * deviation
    assert share < coverage + 1 / (calibration_images + 1) + 3 * deviation


def test_class_conditional_sets_hold_within_each_class_where_marginal_ones_do_not() -> None:
    shares = [0.7, 0.2, 0.1]
    held = {True: torch.zeros(3), False: torch.zeros(3)}
    seen = torch.zeros(3)
    for seed in range(100):
        table, labels = world(500, 3, seed, shares)
        # A bias toward the common class, as long-tailed training leaves it.
        table = torch.softmax(table.log() + torch.tensor([2.0, 0.0, 0.0]), dim=1)
        seen += torch.bincount(labels[:200], minlength=3)
        for conditional in held:
            found = fit_conformal(table[200:], labels[200:], 0.9, class_conditional=conditional)
            hits = conformal_sets(table[:200], found)[torch.arange(200), labels[:200]]
            held[conditional] += torch.bincount(labels[:200][hits], minlength=3)
    assert ((held[True] / seen) > 0.885).all()
    assert (held[False] / seen)[2] < 0.85 < 0.89 < held[False].sum() / seen.sum()


def test_a_class_with_too_few_images_is_in_every_set_and_said() -> None:
    table, labels = world(100, 3)
    labels = torch.where(labels == 2, 0, labels)
    labels[:4] = 2
    with pytest.warns(FallbackWarning, match=r"at least 9 labelled images of it.*: class 2 \(4 images\)"):
        found = fit_conformal(table, labels, 0.9, class_conditional=True)
    assert found.always_included == (2,)
    assert conformal_sets(table, found)[:, 2].all()


def test_too_few_images_for_the_coverage_give_full_sets_and_a_warning() -> None:
    table, labels = world(20)
    with pytest.warns(FallbackWarning, match=r"99\.0% of images need at least 99 labelled images, but there are 20"):
        found = fit_conformal(table, labels, 0.99)
    assert conformal_sets(table, found).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 500), score=st.sampled_from(SET_SCORES), conditional=st.booleans())
@pytest.mark.filterwarnings("ignore::zsderm.errors.FallbackWarning")
def test_permuting_images_and_classes_permutes_sets(seed: int, score: str, conditional: bool) -> None:
    table, labels = world(60, 4, seed)
    rows, columns = torch.randperm(60), torch.randperm(4)
    plain = fit_conformal(table, labels, 0.8, score=score, class_conditional=conditional)
    moved = fit_conformal(
        table[rows][:, columns], columns.argsort()[labels[rows]], 0.8, score=score, class_conditional=conditional
    )
    if score == "lac":
        assert torch.equal(conformal_sets(table[:, columns], moved), conformal_sets(table, plain)[:, columns])
    np.testing.assert_allclose(np.array(moved.thresholds), np.array(plain.thresholds)[columns], atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 500), score=st.sampled_from(SET_SCORES), coverage=st.floats(0.05, 0.95))
def test_the_most_probable_class_is_always_in_the_set(seed: int, score: str, coverage: float) -> None:
    table, labels = world(60, 4, seed)
    sets = conformal_sets(table, fit_conformal(table, labels, coverage, score=score))
    assert sets[torch.arange(60), table.argmax(dim=1)].all()


def test_more_coverage_never_takes_a_class_away() -> None:
    table, labels = world(100)
    small, large = (conformal_sets(table, fit_conformal(table, labels, c)) for c in (0.7, 0.95))
    assert (large | ~small).all() and large.sum() > small.sum()


def test_an_image_without_an_answer_has_no_class_in_its_set() -> None:
    table, labels = world(20)
    found = fit_conformal(table, labels)
    table[3] = math.nan
    assert not conformal_sets(table, found)[3].any()
    with pytest.raises(SettingsError, match="1 of 20 rows"):
        fit_conformal(table, labels)


def test_a_record_survives_json() -> None:
    table, labels = world(60, 3, shares=[0.6, 0.35, 0.05])
    with pytest.warns(FallbackWarning):
        found = fit_conformal(table, labels, 0.95, score="raps", class_conditional=True)
    again = ConformalThresholds.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
    assert again == found and math.inf in again.thresholds


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coverage": 1.5}, "coverage between 0 and 1"),
        ({"score": "lacc"}, "Did you mean 'lac'"),
        ({"counts": [1]}, "threshold and a count"),
        ({"thresholds": ["much", 1.0]}, "amiss"),
    ],
)
def test_fields_that_mean_nothing_are_refused(change: dict, message: str) -> None:
    table, labels = world(60, 2)
    fields = fit_conformal(table, labels).to_dict()
    with pytest.raises(SettingsError, match=message):
        ConformalThresholds.from_dict({**fields, **change})
    with pytest.raises(SettingsError, match="coverage"):
        ConformalThresholds.from_dict({name: value for name, value in fields.items() if name != "coverage"})


def test_what_cannot_be_used_is_refused() -> None:
    table, labels = world(60)
    with pytest.raises(SettingsError, match="sum to 1"):
        fit_conformal(table.log(), labels)
    with pytest.raises(SettingsError, match="coverage"):
        fit_conformal(table, labels, 90)
    with pytest.raises(SettingsError, match="5 classes of the calibration, but got 4"):
        conformal_sets(torch.full((2, 4), 0.25), fit_conformal(table, labels))


@pytest.mark.parametrize(("count", "said"), [(1, "there is 1:"), (3, "there are 3:")])
def test_too_few_images_are_counted_in_plain_words(count: int, said: str) -> None:
    table, labels = world(count, 3)
    with pytest.warns(FallbackWarning, match=f"at least 9 labelled images, but {said} every set holds every class"):
        fit_conformal(table, labels)


def test_classes_with_too_few_images_are_called_by_their_names() -> None:
    table, labels = world(30, 3)
    labels = torch.where(labels == 2, 0, labels)
    labels[0] = 2
    with pytest.warns(FallbackWarning, match=r"in every set: wart \(1 image\)\."):
        fit_conformal(table, labels, class_conditional=True, classes=["acne", "nevus", "wart"])
