"""Embedded images with true classes, and the folders of different class mixes that are drawn from them.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from zsderm.errors import InputError

ARRAYS = ("image_features", "labels", "text_proxies")
SMALLEST_FOLDER = 5  # images; a folder of one class with fewer says little
LARGEST_CLASS = 40  # images of one class in a capped folder


@dataclass(frozen=True, eq=False)
class Features:
    """N embedded images, their classes, and the text proxies of all C classes."""

    name: str
    image_features: torch.Tensor  # (N, D) float32 unit rows
    labels: NDArray[np.int64]  # (N,)
    text_proxies: torch.Tensor  # (C, D) float32 unit rows


@dataclass(frozen=True, eq=False)
class Folder:
    """Some of the images, and what kind of mix they are."""

    mix: str  # "natural", "capped", "balanced" or "one class"
    rows: NDArray[np.int64]  # indices into the images


def read_features(file: Path) -> Features:
    """Read image_features (N, D), labels (N,) and text_proxies (C, D) from an .npz file.

    Raises:
        InputError: the file is not such an archive, or its arrays do not fit together.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            images, labels, text = (archive[name] for name in ARRAYS)
    except (KeyError, OSError, ValueError) as error:
        raise InputError(f"Expected {file} to be an .npz with the arrays {', '.join(ARRAYS)}: {error}.") from error
    if images.ndim != 2 or labels.shape != images.shape[:1] or text.shape[1:] != images.shape[1:]:
        raise InputError(
            f"Expected {file} to hold image_features (N, D), labels (N,) and text_proxies (C, D), but got shapes "
            f"{images.shape}, {labels.shape} and {text.shape}."
        )
    if labels.min() < 0 or labels.max() >= len(text):
        raise InputError(f"Expected labels from 0 to {len(text) - 1} in {file}, but got up to {labels.max()}.")
    rows = [normalize(torch.from_numpy(array.astype(np.float32)), dim=1) for array in (images, text)]
    return Features(file.stem, rows[0], labels.astype(np.int64), rows[1])


def folders(labels: NDArray[np.int64], seeds: int) -> Iterator[Folder]:
    """The whole set; per seed a capped part, where that leaves anything out, and an evenly filled one; and each class.

    Args:
        labels: (N,) true classes.
        seeds: how many capped and balanced folders to draw.
    """
    yield Folder("natural", np.arange(len(labels)))
    classes, counts = np.unique(labels, return_counts=True)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        shuffled = [rng.permutation(np.flatnonzero(labels == name)) for name in classes]
        for mix, largest in (("capped", LARGEST_CLASS), ("balanced", counts.min())):
            if largest >= counts.max():
                continue  # that is the whole set again
            yield Folder(mix, np.sort(np.concatenate([rows[:largest] for rows in shuffled])))
    for name, count in zip(classes, counts, strict=True):
        if count >= SMALLEST_FOLDER:
            yield Folder("one class", np.flatnonzero(labels == name))
