"""What is known of an encoder's training images: its home, as far as candidates and judges may use it.

Letters: N images, C classes, D embedding width, A axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from zsderm.benchmarks.class_mixes import at_most, rows_of_classes
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.features import image_features
from zsderm.encoders import Encoder
from zsderm.encoders.home import EncoderHome

AXES = 48  # of an encoder's home
IMAGES_OF_CLASS = 60  # training images of each class and source that stand for an encoder's home
IMAGES_OF_TABLE = 600  # of each training table, as its classes come, for the mean that a card records

# Diseases that training tables name in two ways; both pooled classes of HAM10000 stand for their larger part.
SAME = {
    "melanocytic nevus": "nevus",
    "benign keratosis-like lesion": "seborrheic keratosis",
    "actinic keratosis / intraepithelial carcinoma": "actinic keratosis",
}


@dataclass(frozen=True, eq=False)
class Spread:
    """How far the images of one class lie apart along the directions that tell the classes of a list apart."""

    axes: torch.Tensor  # (A, D) float64, orthonormal rows
    within: float  # the variance of one class, summed over the axes

    def of(self, features: torch.Tensor) -> float:
        """The variance of images (N, D) along the axes, in units of one class; NaN for less than two images."""
        if len(features) < 2:
            return math.nan
        return (features.double() @ self.axes.T).var(dim=0).sum().item() / self.within


@dataclass(frozen=True, eq=False)
class Home:
    """Embedded training images of an encoder: a few of each class, and some of each table as they come."""

    features: torch.Tensor  # (N, D) unit rows; every class and table has about as many as the others
    diseases: NDArray[np.str_]  # (N,)
    sources: NDArray[np.str_]  # (N,) the tables that these come from
    tables: tuple[torch.Tensor, ...] = ()  # (n, D) unit rows of each table, drawn at random

    @cached_property
    def statistics(self) -> EncoderHome:
        """Mean and main directions of the images of all classes."""
        rows = self.features.double()
        mean = rows.mean(dim=0)
        variances, axes = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))  # rising
        kept = min(AXES, rows.shape[1] - 1)
        rest = variances[:-kept].clamp_min(1e-10).mean().item()
        found = variances.flip(0)[:kept].clamp_min(1e-10).float()
        axes = axes.flip(1)[:, :kept].T.float()
        return EncoderHome(mean.float(), axes, found, rest, -math.inf, len(rows), "")

    @cached_property
    def class_means(self) -> Mapping[str, torch.Tensor]:
        """(D,) the mean of the source means of each disease."""
        rows, means = self.features.double(), {}
        for name in np.unique(self.diseases):
            of = [rows[self._group(name, one)] for one in np.unique(self.sources[self.diseases == name])]
            means[str(name)] = torch.stack([part.mean(dim=0) for part in of]).mean(dim=0).float()
        return means

    @property
    def table_mean(self) -> torch.Tensor | None:
        """(D,) the mean of the table means, as an encoder's card records it; None without tables."""
        means = [rows.double().mean(dim=0) for rows in self.tables]
        return torch.stack(means).mean(dim=0).float() if means else None

    def mean_of(self, classes: Iterable[str]) -> torch.Tensor | None:
        """(D,) the mean of the means of these classes, as far as they are known at home; None where none is."""
        known = [self.class_means[name] for name in self._known(classes)]
        return torch.stack(known).mean(dim=0) if known else None

    def spread_of(self, classes: Iterable[str]) -> Spread | None:
        """Along the directions between the means of these classes; None where fewer than two are known at home.

        One class is one disease of one source, since sources lie apart as well.
        """
        known = self._known(classes)
        if len(known) < 2:
            return None
        means = torch.stack([self.class_means[name] for name in known]).double()
        axes = torch.linalg.svd(means - means.mean(dim=0), full_matrices=False).Vh[: len(known) - 1]
        along, squares, freedom = self.features.double() @ axes.T, 0.0, 0
        for name in known:
            for source in np.unique(self.sources[self.diseases == name]):
                own = along[self._group(name, source)]
                squares += (own - own.mean(dim=0)).square().sum().item()
                freedom += len(own) - 1
        return Spread(axes, squares / freedom) if squares > 0 else None

    def projected(self, axes: torch.Tensor) -> Home:
        """The same images in fewer dimensions: (D, M) axes."""
        features, *tables = (normalize(rows @ axes, dim=1) for rows in (self.features, *self.tables))
        return Home(features, self.diseases, self.sources, tuple(tables))

    def _known(self, classes: Iterable[str]) -> list[str]:
        """Their names at home, each once; those that are not known are left out."""
        named = dict.fromkeys(SAME.get(one, one) for one in classes)
        return [name for name in named if name in self.class_means]

    def _group(self, disease: str, source: str) -> torch.Tensor:
        """(N,) bool, which images are of this disease and source."""
        return torch.from_numpy((self.diseases == disease) & (self.sources == source))


def home_of(encoder: Encoder, data_root: Path, sources: Iterable[str], cache: Path | None) -> Home:
    """Embed training images of the sources that an encoder has seen: a few of each class, and some as they come."""
    rng, rows, names, origins, tables = np.random.default_rng(0), [], [], [], []
    for source in sources:
        data = load(str(data_root / source / "index.csv"), None, "train")
        chosen = at_most(IMAGES_OF_CLASS, rows_of_classes(data.labels, rng))
        rows.append(image_features(encoder, [data.images[row] for row in chosen], cache))
        names += [SAME.get(data.classes[data.labels[row]], data.classes[data.labels[row]]) for row in chosen]
        origins += [source] * len(chosen)
        some = np.random.default_rng(1).permutation(len(data.images))[:IMAGES_OF_TABLE]
        tables.append(image_features(encoder, [data.images[row] for row in some], cache))
    return Home(torch.cat(rows), np.array(names), np.array(origins), tuple(tables))
