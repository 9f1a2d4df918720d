"""The linear probe of MM-Skin: a logistic regression on standardised features, its penalty chosen by cross-validation.

Letters: N images, C classes, W width of the features.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from zsderm.errors import InputError
from zsderm.metrics import macro_auroc

# As published: Zeng et al. 2025, "MM-Skin" (arXiv 2505.06152).
SEED, MAX_ITER, FOLDS = 42, 1000, 5
STRENGTHS = tuple(float(c) for c in np.power(10.0, np.linspace(-5, 1, 10)))  # C, the inverse of the penalty
UNCHOSEN = 1.0  # C where no two folds can be made of the images; the default of scikit-learn


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A fitted probe.

    Attributes:
        strength: C of the regression, the inverse of its penalty.
        areas: (10,) the mean one-versus-rest AUROC over the folds for each of `STRENGTHS`; empty without folds.
        folds: number of folds by which C was chosen; 0 if it was not chosen.
        converged: whether the regression converged within `MAX_ITER` iterations.
        class_count: C.
    """

    strength: float
    areas: tuple[float, ...]
    folds: int
    converged: bool
    class_count: int
    _model: Pipeline

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N, C) class probabilities of (N, W) features; 0 for a class without training images."""
        return _probabilities(self._model, features, self.class_count)


def fit_probe(
    features: NDArray[np.float32], labels: NDArray[np.int_], class_count: int, *, folds: int = FOLDS
) -> LinearProbe:
    """Fit the probe with the published protocol.

    C is the value of 10^linspace(-5, 1, 10) with the highest one-versus-rest AUROC over five stratified folds; in a tie
    the smallest is taken. The final model is fitted to all images with this C. The publication leaves some details
    open, which are chosen as follows: features are standardised anew in each fold, folds are shuffled with the seed
    42, and their AUROCs are averaged. If no class has five images, there are as many folds as the largest class has
    images; with one image in each class there are no folds, and C is 1.

    Source: Zeng et al., "MM-Skin", 2025 (arXiv 2505.06152).

    Args:
        features: (N, W) float32.
        labels: (N,) int, 0 to C - 1; a class may be missing.
        class_count: C.
        folds: maximum number of folds.

    Raises:
        InputError: shapes disagree, or there are fewer than two classes to tell apart.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise InputError(f"expected features (N, W) and labels (N,), but got {features.shape} and {labels.shape}")
    counts = np.bincount(labels, minlength=class_count)
    if (counts > 0).sum() < 2:
        raise InputError(f"expected training images of at least two classes, but got {int((counts > 0).sum())}")
    rows = features.astype(np.float64)
    used = min(folds, int(counts.max()))
    with _quiet():
        areas = tuple(_areas(rows, labels, class_count, used)) if used > 1 else ()
        best = STRENGTHS[int(np.nanargmax(areas))] if areas and not np.isnan(areas).all() else UNCHOSEN
        model = _pipeline(best).fit(rows, labels)
    steps = int(np.max(model[-1].n_iter_))
    return LinearProbe(best, areas, used if areas else 0, steps < MAX_ITER, class_count, model)


def _areas(rows: NDArray[np.float64], labels: NDArray[np.int_], class_count: int, folds: int) -> Iterator[float]:
    """The mean AUROC over the folds for each strength, from the weakest."""
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=SEED).split(rows, labels))
    for strength in STRENGTHS:
        found = []
        for learn, held in parts:
            if len(np.unique(labels[learn])) > 1:
                model = _pipeline(strength).fit(rows[learn], labels[learn])
                found.append(macro_auroc(labels[held], _probabilities(model, rows[held], class_count)))
        known = [area for area in found if not np.isnan(area)]
        yield float(np.mean(known)) if known else float("nan")


def _pipeline(strength: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=MAX_ITER, random_state=SEED))


def _probabilities(model: Pipeline, rows: NDArray[np.floating], class_count: int) -> NDArray[np.float64]:
    table = np.zeros((len(rows), class_count))
    table[:, model[-1].classes_] = model.predict_proba(rows)
    return table


@contextmanager
def _quiet() -> Iterator[None]:
    """Not converged is kept in the result, and a class with fewer images than folds is allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The least populated class in y", category=UserWarning)
        yield
