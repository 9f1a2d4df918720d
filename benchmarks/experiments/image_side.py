"""The image side of an experiment whose encoder has seen the photographs: a model that is as often right as is said.

A logistic regression on embeddings is fitted to other patients, and noise is added to the embeddings until it is right
as often as the encoder is on photographs that it has not seen.

Letters: N photographs, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zsderm.tasks.audit.cross_fitting import cross_fitted

TEMPERATURES = np.geomspace(0.1, 10, 81)
WEIGHTS = np.linspace(0, 1.5, 31)
TRIES = 3  # draws of the noise that its strength is chosen by
Rows = NDArray[np.float64]


def weakened(
    features: NDArray[np.float32], true: NDArray[np.int64], patients: NDArray[np.int64], classes: int, goal: float
) -> tuple[Rows, float]:
    """Cross-fitted probabilities of an image model that is right as often as it should be.

    Args:
        features: (N, D) unit rows.
        true: (N,) classes.
        patients: (N,) who is on them; nobody is answered by a model that was fitted to him.
        classes: C.
        goal: the share of right answers.

    Returns:
        (N, C) probabilities, each class counted alike, and the length of the noise that was added to the unit rows; 0
        where there is no need.
    """

    def fitted(length: float, seed: int) -> Rows:
        rng = np.random.default_rng(seed)
        noisy = features + rng.normal(0, length / np.sqrt(features.shape[1]), features.shape)
        noisy /= np.linalg.norm(noisy, axis=1, keepdims=True)
        rows = cross_fitted(noisy.astype(np.float32), true, patients, classes)
        return counted_alike(rows, true)

    low, high = 0.0, 8.0
    for _ in range(8):
        length = (low + high) / 2
        right = np.mean([(fitted(length, seed).argmax(axis=1) == true).mean() for seed in range(TRIES)])
        low, high = (length, high) if right > goal else (low, length)
    return fitted(low, 0), low


def counted_alike(rows: Rows, true: NDArray[np.int64]) -> Rows:
    """(N, C) probabilities of a model that was fitted to these rows, as if each class were equally frequent."""
    rows = np.clip(rows, 1e-6, None) / np.bincount(true, minlength=rows.shape[1])
    return rows / rows.sum(axis=1, keepdims=True)


def calibrated(image: Rows, true: NDArray[np.int64], tested: Sequence[NDArray[np.int64]]) -> Rows:
    """The same rankings, as sure as they are right: each part at the temperature that fits all other parts best.

    A logistic regression on embeddings with noise is far less sure than it is right, and any story would outvote it.
    """
    logs, table = np.log(image), np.empty_like(image)
    for part in tested:
        rest = np.setdiff1d(np.arange(len(true)), part)
        tried = {float(value): _sharpened(logs[rest], value) for value in TEMPERATURES}
        table[part] = np.exp(_sharpened(logs[part], likeliest(tried, true[rest])))
    return table


def weight_of(image: Rows, words: Rows, true: NDArray[np.int64]) -> float:
    """The power of the words beside the image that fits best."""
    logs = np.log(image), np.log(words)
    return likeliest({float(weight): _sharpened(logs[0] + weight * logs[1], 1.0) for weight in WEIGHTS}, true)


def likeliest(tried: dict[float, Rows], true: NDArray[np.int64]) -> float:
    """The value whose logarithms of probabilities fit best, by the likelihood, classes counted alike."""
    weights = 1 / np.bincount(true)[true]
    return max(tried, key=lambda value: float((weights * tried[value][np.arange(len(true)), true]).sum()))


def _sharpened(logs: Rows, temperature: float) -> Rows:
    """Logarithms of probabilities at another temperature."""
    scaled = logs / temperature
    return scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
