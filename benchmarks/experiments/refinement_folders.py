"""Folders to try refinements on: drawn from real images as several encoders see them, and synthetic ones.

Letters: N images, C classes, D embedding width, A axes of an encoder's home.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from zsderm import ZeroShotClassifier
from zsderm.benchmarks.class_mixes import Rows, at_most, rows_of_classes
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.experiments.prior_worlds import BIASES, NUISANCES, SEPARATIONS, TEXT_ERRORS, synthetic_world
from zsderm.benchmarks.features import image_features
from zsderm.encoders import Encoder
from zsderm.encoders.home import EncoderHome

SOURCES = ("pad", "ham10000", "isic2017", "onychomycosis")
REGIMES = ("natural", "balanced", "skewed", "half of the classes", "one class", "copies", "clumps")
SIZES = (16, 30, 60, 100, 160, 300)
SMALLEST = 16
ADDED_BIASES = (0.0, 0.0, 0.15, 0.3)  # each as likely; the spread over classes, as in prior_worlds
COPIES = 4  # of each image, on average; fewer where the folder is small
CLUMP = 10  # images
WORDINGS = ("knowledge", "class-name")
NOISE = 0.5  # length of the noise beside an image of length 1
PROJECTED = 48  # dimensions that are left
AXES = 48  # of an encoder's home
IMAGES_OF_CLASS = 60  # training images of each class and source that stand for an encoder's home
POOL = 1500  # images of a synthetic pool
OF_CLASS = 20  # and at least so many of each class
POOL_CLASSES = (2, 6, 7, 40, 134)
TEXT_ACCURACY = (0.3, 0.9)
HALVES_APART = 0.3  # length of what the two halves of a synthetic wording disagree in; a proxy has length 1

# Diseases that training tables name in two ways; both pooled classes of HAM10000 stand for their larger part.
SAME = {
    "melanocytic nevus": "nevus",
    "benign keratosis-like lesion": "seborrheic keratosis",
    "actinic keratosis / intraepithelial carcinoma": "actinic keratosis",
}


@dataclass(frozen=True, eq=False)
class Home:
    """What is known of an encoder's training images."""

    statistics: EncoderHome
    class_means: Mapping[str, torch.Tensor]  # (D,) the mean of the source means of each disease

    @classmethod
    def of(cls, features: torch.Tensor, diseases: NDArray[np.str_], sources: NDArray[np.str_]) -> Home:
        """From training images (N, D), their diseases and the tables they come from."""
        rows = features.double()
        mean = rows.mean(dim=0)
        variances, axes = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))  # rising
        kept = min(AXES, rows.shape[1] - 1)
        rest = variances[:-kept].clamp_min(1e-10).mean().item()
        found = variances.flip(0)[:kept].clamp_min(1e-10).float()
        axes = axes.flip(1)[:, :kept].T.float()
        statistics = EncoderHome(mean.float(), axes, found, rest, -math.inf, len(rows), "")
        means = {}
        for name in np.unique(diseases):
            of = [rows[(diseases == name) & (sources == one)] for one in np.unique(sources[diseases == name])]
            means[str(name)] = torch.stack([part.mean(dim=0) for part in of]).mean(dim=0).float()
        return cls(statistics, means)

    def mean_of(self, classes: Iterable[str]) -> torch.Tensor | None:
        """(D,) the mean of the means of these classes, as far as they are known at home; None where none is."""
        known = [self.class_means[name] for one in classes if (name := SAME.get(one, one)) in self.class_means]
        return torch.stack(known).mean(dim=0) if known else None


@dataclass(frozen=True, eq=False)
class Pool:
    """All images of one source as one encoder sees them, of which folders are drawn."""

    kind: str  # "real" or "synthetic"
    encoder: str
    source: str
    quality: str  # of features and wording
    away: bool  # the encoder has never seen the source
    features: torch.Tensor  # (N, D) float32 unit rows
    labels: Rows  # (N,)
    proxies: torch.Tensor  # (C, D) float32 unit rows
    halves: torch.Tensor  # (2, C, D) float32 unit rows, from each half of the wordings
    home: EncoderHome | None = None
    home_mean: torch.Tensor | None = None  # (D,) see `Home.mean_of`


@dataclass(frozen=True, eq=False)
class Folder:
    """Some images of a pool, with or without a bias added to its text proxies."""

    pool: Pool = field(repr=False)
    regime: str
    bias: float
    rows: Rows  # (n,)
    proxies: torch.Tensor  # (C, D)
    halves: torch.Tensor  # (2, C, D)

    @property
    def features(self) -> torch.Tensor:
        """(n, D) float32 unit rows."""
        return self.pool.features[torch.from_numpy(self.rows)]

    @property
    def labels(self) -> Rows:
        """(n,) true classes."""
        return self.pool.labels[self.rows]


def draw_rows(regime: str, features: torch.Tensor, labels: Rows, size: int, rng: np.random.Generator) -> Rows:
    """Rows of a folder of about so many images; fewer where the pool has no more of that regime.

    Args:
        regime: one of REGIMES.
        features: (N, D) of the pool.
        labels: (N,).
        size: of the folder.
        rng: draws.
    """
    of_class = rows_of_classes(labels, rng)
    some = rng.permutation(len(labels))[:size]
    if regime == "balanced":
        some = at_most(max(1, size // len(of_class)), of_class)
    elif regime == "skewed":
        shares = rng.dirichlet(np.full(len(of_class), 0.5))[np.unique(labels, return_inverse=True)[1]] + 1e-9
        some = rng.choice(len(labels), min(size, len(labels) // 2), replace=False, p=shares / shares.sum())
    elif regime == "half of the classes":
        chosen = rng.permutation(len(of_class))[: max(1, len(of_class) // 2)]
        some = rng.permutation(np.concatenate([of_class[index] for index in chosen]))[:size]
    elif regime == "one class":
        large = [rows for rows in of_class if len(rows) >= SMALLEST] or of_class
        some = large[rng.integers(len(large))][:size]
    elif regime == "copies":
        some = rng.choice(some[: max(8, size // COPIES)], size)
    elif regime == "clumps":
        first = torch.from_numpy(some[: max(1, size // CLUMP)])
        near = (features[first] @ features.T).topk(min(CLUMP, len(features)), dim=1).indices
        some = np.unique(near.numpy())
    return some


def folders(pool: Pool, seeds: Iterable[int]) -> Iterator[Folder]:
    """One folder of every regime for each seed, of random size and bias; none of fewer than SMALLEST images.

    Size and strength of the bias depend on seed and regime alone: they are the same for all pools.
    """
    for seed in seeds:
        for number, regime in enumerate(REGIMES):
            rng = np.random.default_rng([seed, number])
            size, bias = int(rng.choice(SIZES)), float(rng.choice(ADDED_BIASES))
            rows = draw_rows(regime, pool.features, pool.labels, size, rng)
            if len(rows) >= SMALLEST:
                added = torch.from_numpy(rng.standard_normal((len(pool.proxies), 1))).float()
                added = bias * added * normalize(pool.features.mean(dim=0), dim=0)
                biased, halves = (normalize(rows + added, dim=-1) for rows in (pool.proxies, pool.halves))
                yield Folder(pool, regime, bias, rows, biased, halves)


def synthetic_pools(seeds: Iterable[int], count: int) -> Iterator[Pool]:
    """For each seed so many balanced sets of synthetic images whose text accuracy is of interest."""
    for seed in seeds:
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            classes = POOL_CLASSES[number % len(POOL_CLASSES)]
            while True:
                separation, bias, error = (float(rng.choice(values)) for values in (SEPARATIONS, BIASES, TEXT_ERRORS))
                nuisance, draw = NUISANCES[rng.integers(len(NUISANCES))], int(rng.integers(2**31))
                images = max(POOL, OF_CLASS * classes)
                world = synthetic_world("balanced", classes, images, separation, bias, error, nuisance, draw)
                if TEXT_ACCURACY[0] <= world.text_accuracy() <= TEXT_ACCURACY[1]:
                    break
            proxies = torch.from_numpy(world.text_proxies)
            apart = normalize(torch.from_numpy(rng.standard_normal(proxies.shape)).float(), dim=1)
            halves = torch.stack([proxies + HALVES_APART * apart, proxies - HALVES_APART * apart])
            yield Pool(
                kind="synthetic",
                encoder="synthetic",
                source="synthetic",
                quality=f"{classes} classes",
                away=False,
                features=torch.from_numpy(world.image_features),
                labels=world.labels,
                proxies=proxies,
                halves=normalize(halves, dim=-1),
            )


def home_of(encoder: Encoder, data_root: Path, sources: Iterable[str], cache: Path | None) -> Home:
    """Embed up to IMAGES_OF_CLASS training images of each class of the sources that an encoder has seen."""
    rng, rows, names, origins = np.random.default_rng(0), [], [], []
    for source in sources:
        data = load(str(data_root / source / "index.csv"), None, "train")
        chosen = at_most(IMAGES_OF_CLASS, rows_of_classes(data.labels, rng))
        rows.append(image_features(encoder, [data.images[row] for row in chosen], cache))
        names += [SAME.get(data.classes[data.labels[row]], data.classes[data.labels[row]]) for row in chosen]
        origins += [source] * len(chosen)
    return Home.of(torch.cat(rows), np.array(names), np.array(origins))


def real_pools(
    encoder: Encoder, name: str, data_root: Path, sources: Iterable[str], away: Iterable[str], cache: Path | None
) -> Iterator[Pool]:
    """All sources as one encoder sees them, in several qualities.

    Where the encoder has never seen a source, all of its images are taken; else those of the split "dev", which it was
    not trained on.

    Args:
        encoder: embeds images and texts.
        name: of the encoder in the tables.
        data_root: holds a folder for each source, with an index.csv.
        sources: to draw folders from.
        away: those that the encoder has never seen.
        cache: folder that keeps embeddings.
    """
    unseen = set(away)
    home = home_of(encoder, data_root, [one for one in sources if one not in unseen], cache)
    for source in sources:
        data = load(str(data_root / source / "index.csv"), None, "all" if source in unseen else "dev")
        features = image_features(encoder, data.images, cache)
        for wording in WORDINGS:
            made = ZeroShotClassifier.from_pretrained(encoder, classes=data.classes, method=wording)
            texts, weight = made.texts, made.settings.name_weight
            kept = texts.kept_for(features.mean(dim=0)[None], made.settings.k)
            halves = [texts.proxies(rows, weight) for rows in halved(kept, texts.class_of[kept])]
            pool = Pool(
                kind="real",
                encoder=name,
                source=source,
                quality=wording,
                away=source in unseen,
                features=features,
                labels=data.labels,
                proxies=texts.proxies(kept, weight),
                halves=torch.stack(halves),
                home=home.statistics,
                home_mean=home.mean_of(data.classes),
            )
            yield pool
            if wording == WORDINGS[0]:
                yield noised(pool)
                yield projected(pool, home, data.classes)


def halved(rows: torch.Tensor, class_of: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Every second sentence of each class, and the others; a single sentence is in both.

    Args:
        rows: (M,) sentences.
        class_of: (M,) their classes.
    """
    halves: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    for index in class_of.unique():
        own = rows[class_of == index]
        for start, half in enumerate(halves):
            half.append(own[start::2] if len(own) > 1 else own)
    return torch.cat(halves[0]), torch.cat(halves[1])


def noised(pool: Pool) -> Pool:
    """The pool as a worse encoder sees it: noise is added to each image. Its home stays that of the clean images."""
    generator = torch.Generator().manual_seed(0)
    noise = normalize(torch.randn(pool.features.shape, generator=generator), dim=1)
    features = normalize(pool.features + NOISE * noise, dim=1)
    return replace(pool, quality=f"{pool.quality}, noised", features=features)


def projected(pool: Pool, home: Home, classes: Iterable[str]) -> Pool:
    """The pool in few random dimensions, texts and home as well."""
    generator = torch.Generator().manual_seed(0)
    width = pool.features.shape[1]
    axes = torch.linalg.qr(torch.randn(width, PROJECTED, generator=generator)).Q  # (D, PROJECTED)
    mean = home.mean_of(classes)
    return replace(
        pool,
        quality=f"{pool.quality}, projected",
        features=normalize(pool.features @ axes, dim=1),
        proxies=normalize(pool.proxies @ axes, dim=1),
        halves=normalize(pool.halves @ axes, dim=-1),
        home=None,  # lengths before the projection are not known to its statistics
        home_mean=None if mean is None else normalize(mean @ axes, dim=0) * mean.norm(),
    )
