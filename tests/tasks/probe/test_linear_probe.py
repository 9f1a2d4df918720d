"""The probe against scikit-learn alone: its search over C, its folds, its probabilities."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zsderm.errors import InputError
from zsderm.tasks.probe import fit_probe
from zsderm.tasks.probe.linear_probe import STRENGTHS, UNCHOSEN


def _clouds(counts: list[int], width: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = rng.normal(size=(len(counts), width))
    return (centres[labels] + 1.2 * rng.normal(size=(len(labels), width))).astype(np.float32), labels


def test_the_strengths_are_the_published_ones() -> None:
    assert len(STRENGTHS) == 10 and STRENGTHS[0] == pytest.approx(1e-5) and STRENGTHS[-1] == pytest.approx(10)


@pytest.mark.slow
@pytest.mark.parametrize("counts", [[20, 15, 9], [14, 16]], ids=["three classes", "two classes"])
def test_it_is_what_a_grid_search_of_scikit_learn_finds(counts: list[int]) -> None:
    features, labels = _clouds(counts)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=42))
    folds = StratifiedKFold(5, shuffle=True, random_state=42)
    grid = {"logisticregression__C": [10**power for power in np.linspace(-5, 1, 10)]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        slow = GridSearchCV(model, grid, scoring="roc_auc_ovr", cv=folds).fit(features.astype(float), labels)
    probe = fit_probe(features, labels, len(counts))
    assert probe.strength == pytest.approx(slow.best_params_["logisticregression__C"])
    assert probe.areas == pytest.approx(slow.cv_results_["mean_test_score"], abs=1e-9)
    others, _ = _clouds(counts, seed=1)
    assert probe.probabilities(others) == pytest.approx(slow.predict_proba(others.astype(float)), abs=1e-6)
    assert probe.folds == 5 and probe.converged


def test_each_row_of_probabilities_sums_to_1_and_a_class_that_was_not_shown_has_0() -> None:
    features, labels = _clouds([4, 3, 2])
    table = fit_probe(features, labels + (labels > 0), 4).probabilities(features)  # class 1 has no image
    assert table.sum(axis=1) == pytest.approx(1) and not table[:, 1].any()


@pytest.mark.parametrize(("counts", "folds"), [([1, 1, 1], 0), ([2, 2], 2), ([4, 4, 4], 4), ([9, 1, 2], 5)], ids=str)
def test_few_images_have_fewer_folds_and_one_a_class_none(counts: list[int], folds: int) -> None:
    probe = fit_probe(*_clouds(counts, width=3), len(counts))
    assert probe.folds == folds and (probe.strength == UNCHOSEN) == (folds == 0)


@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        (np.zeros((3, 2), np.float32), np.zeros(2, int), r"got \(3, 2\) and \(2,\)"),
        (np.zeros((3, 2), np.float32), np.zeros(3, int), "at least two classes, but got 1"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(features: np.ndarray, labels: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fit_probe(features, labels, 2)
