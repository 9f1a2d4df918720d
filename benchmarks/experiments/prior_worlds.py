"""Folders to try class priors on: synthetic ones of many regimes, and some drawn from real features.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from zsderm.benchmarks.class_mixes import LARGEST_CLASS, at_most, rows_of_classes

CLASSES = (2, 6, 7, 40, 134)
IMAGES = (1, 10, 100, 300, 1000, 5000)
MIXES = ("balanced", "long tail", "zipf", "one class")
HAM10000_PERCENT = (67.0, 11.0, 11.0, 5.0, 3.3, 1.4, 1.1)
SEPARATIONS = (0.2, 0.3, 0.4, 0.6)  # length of a class mean, in units of the noise's length
BIASES = (0.0, 0.05, 0.1, 0.2)  # spread over classes of a text proxy's potential on all images
TEXT_ERRORS = (0.5, 1.0, 2.0, 3.0)  # length of the error of a text proxy, in units of its class mean
NUISANCES = ((0.0, 0.0), (0.0, 0.0), (1.0, 0.0), (0.0, 0.5), (1.0, 0.5))  # correlated noise, two types per class
TEXT_ACCURACY = (0.3, 0.9)  # the regimes of interest; one class only is kept whatever its text accuracy
REAL_BIASES = (0.0, 0.15, 0.3)
SMALLEST_FOLDER = 60
BALANCED_DRAWS = 5
CLUMPS, CLUMP_SIZE = 8, 25
WIDTH = 256


@dataclass(frozen=True)
class World:
    """N images with labels, and text proxies that are biased and imprecise."""

    mix: str
    image_features: np.ndarray  # (N, D) float32 unit rows
    text_proxies: np.ndarray  # (C, D) float32 unit rows
    labels: np.ndarray  # (N,)
    home: np.ndarray | None = None  # (D,) float32, what prior "home" takes off, where that is known

    def text_labels(self) -> np.ndarray:
        """(N,) what the text proxies name."""
        return (self.image_features @ self.text_proxies.T).argmax(axis=1)

    def text_accuracy(self) -> float:
        """Share of images that the text proxies name correctly."""
        return float((self.text_labels() == self.labels).mean())


def class_mix(kind: str, classes: int, rng: np.random.Generator) -> np.ndarray:
    """(C,) shares in random order of classes."""
    if kind == "balanced":
        return np.full(classes, 1 / classes)
    if kind == "zipf":
        shares = 1 / np.arange(1.0, classes + 1)
    elif kind == "one class":
        shares = np.eye(classes)[0]
    elif classes <= len(HAM10000_PERCENT):
        shares = np.array(HAM10000_PERCENT[:classes])
    else:
        shares = np.concatenate([[67.0], np.geomspace(11.0, 0.05, classes - 1)])
    return rng.permutation(shares) / shares.sum()


def synthetic_world(
    mix: str, classes: int, images: int, separation: float, bias: float, error: float, nuisance: tuple[float, float],
    seed: int,
) -> World:  # fmt: skip
    """Unit rows as a contrastive model makes them: a gap between modalities, related classes, noise, biased proxies.

    Args:
        mix: one of MIXES.
        classes: C.
        images: N.
        separation: length of a class mean; the noise has length 1.
        bias: spread over classes of a text proxy's component along the mean image.
        error: length of the error of a text proxy; its class mean has length 1.
        nuisance: strength of noise shared by all classes in eight directions, half of them mixed with class
            directions; and distance between the two types that each class falls into.
        seed: of everything.

    Returns:
        The world.
    """
    rng = np.random.default_rng(seed)
    correlated, types = nuisance
    image_gap, text_gap = _unit(rng.standard_normal((2, WIDTH)))
    families = _unit(rng.standard_normal((max(2, classes // 4), WIDTH)))
    own = _unit(rng.standard_normal((classes, WIDTH)))
    means = _unit(0.6 * families[rng.integers(0, len(families), classes)] + 0.8 * own)  # (C, D)
    labels = rng.choice(classes, images, p=class_mix(mix, classes, rng))
    noise = rng.standard_normal((images, WIDTH)) / np.sqrt(WIDTH)
    directions = rng.standard_normal((8, WIDTH)) / np.sqrt(WIDTH) + 0.5 * means[rng.integers(0, classes, 8)]
    noise += correlated / np.sqrt(8) * rng.standard_normal((images, 8)) @ directions
    kinds = _unit(rng.standard_normal((classes, 2, WIDTH)))
    noise += types * kinds[labels, rng.integers(0, 2, images)]
    wrong = error * _unit(rng.standard_normal((classes, WIDTH)))
    potential = bias * rng.standard_normal((classes, 1)) * image_gap
    return World(
        mix,
        _unit(1.5 * image_gap + separation * means[labels] + noise).astype(np.float32),
        _unit(1.5 * text_gap + means + wrong + potential).astype(np.float32),
        labels,
    )


def synthetic_worlds(seeds: Iterable[int], largest: int, smallest: int = 1) -> Iterator[World]:
    """For every mix, number of classes, of images, and seed: one random setting with text accuracy of interest."""
    for mix, classes, images, seed in product(MIXES, CLASSES, IMAGES, seeds):
        rng = np.random.default_rng([MIXES.index(mix), classes, images, seed])
        for _ in range(30 if smallest <= images <= largest else 0):
            separation, bias, error = (float(rng.choice(values)) for values in (SEPARATIONS, BIASES, TEXT_ERRORS))
            nuisance, draw = NUISANCES[rng.integers(len(NUISANCES))], int(rng.integers(2**31))
            world = synthetic_world(mix, classes, images, separation, bias, error, nuisance, draw)
            low, high = TEXT_ACCURACY
            if images == 1 or low <= world.text_accuracy() <= high or (mix == "one class" and classes > images**0.5):
                yield world
                break


def real_worlds(file: Path, seeds: Iterable[int]) -> Iterator[World]:
    """Folders of several mixes drawn from real features, with and without a class bias added to the text proxies."""
    with np.load(file) as arrays:
        features = arrays["image_features"].astype(np.float32)
        labels, proxies = arrays["labels"], arrays["text_proxies"].astype(np.float32)
        home = arrays.get("home_mean")
    mean_image = _unit(features.mean(axis=0))
    for seed, bias in product(seeds, REAL_BIASES):
        rng = np.random.default_rng(seed)
        biased = _unit(proxies + bias * rng.standard_normal((len(proxies), 1)) * mean_image).astype(np.float32)
        for mix, rows in _folders(features, labels, rng):
            if len(rows) >= SMALLEST_FOLDER:
                yield World(f"{mix}, bias {bias}", features[rows], biased, labels[rows], home)


def _folders(features: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    rows_of = rows_of_classes(labels, rng)
    yield "natural", np.arange(len(labels))
    yield "part of the images", rng.permutation(len(labels))[: len(labels) // 2]
    some = rng.permutation(len(rows_of))[: max(2, len(rows_of) // 2)]
    yield "half of the classes", np.concatenate([rows_of[c] for c in some])
    for _ in range(BALANCED_DRAWS):
        yield "balanced", at_most(min(map(len, rows_of)), [rng.permutation(rows) for rows in rows_of])
    yield "at most 40 a class", at_most(LARGEST_CLASS, rows_of)
    weights = rng.dirichlet(np.full(len(rows_of), 0.5))[np.searchsorted(np.unique(labels), labels)] + 1e-9
    yield "skewed", rng.choice(len(labels), len(labels) // 2, replace=False, p=weights / weights.sum())
    for rows in rows_of:
        yield "one class", rows
        if len(rows) >= 2 * CLUMPS * CLUMP_SIZE:
            yield "one class in clumps", _clumps(features, rows)


def _clumps(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows around the first few of these, as the photographs of one patient's lesions may lie."""
    centred = features[rows] - features[rows].mean(axis=0)
    near = np.argsort(-centred @ centred[:CLUMPS].T, axis=0)[:CLUMP_SIZE]  # (CLUMP_SIZE, CLUMPS)
    return rows[np.unique(near)]


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)
