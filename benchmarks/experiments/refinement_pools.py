"""Images that folders are drawn from: real ones as several encoders see them, and synthetic ones.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import normalize

from zsderm import ZeroShotClassifier
from zsderm.benchmarks.class_mixes import Rows
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.experiments.prior_worlds import BIASES, NUISANCES, SEPARATIONS, TEXT_ERRORS, synthetic_world
from zsderm.benchmarks.experiments.refinement_candidates import NO_MEANS, HomeMeans
from zsderm.benchmarks.experiments.refinement_home import Home, Spread, home_of
from zsderm.benchmarks.features import image_features
from zsderm.encoders import Encoder, EncoderCard
from zsderm.encoders.home import EncoderHome
from zsderm.images import open_image

WORDINGS = ("knowledge", "class-name")
NOISE = 0.5  # length of the noise beside an image of length 1
PROJECTED = 48  # dimensions that are left
POOL = 1500  # images of a synthetic pool
OF_CLASS = 20  # and at least so many of each class
POOL_CLASSES = (2, 6, 7, 40, 134)
TEXT_ACCURACY = (0.3, 0.9)
HALVES_APART = 0.3  # length of what the two halves of a synthetic wording disagree in; a proxy has length 1
# Distance of the two views of a synthetic image: the median of the median distances between a photograph and its mirror
# image in the pools of the page, which are 0.03 to 0.05 for zsderm-mini, 0.12 to 0.19 for the first zsderm-mini, and
# 0.25 to 0.38 for the short training without PAD.
VIEWS_APART = 0.18


class Mirrored:
    """An encoder that sees every image mirrored left to right, with a fingerprint of its own.

    Args:
        seen: the encoder, as a mirror shows images to it.
    """

    def __init__(self, seen: Encoder) -> None:
        self._seen = seen
        self.card: EncoderCard = seen.card
        self.fingerprint = sha256(f"mirrored {seen.fingerprint}".encode()).hexdigest()[:16]
        self.temperature: float = seen.temperature
        self.home: EncoderHome | None = None  # was measured with images as they are

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """(3, H, W) of the mirrored image."""
        return self._seen.preprocess(image).flip(2)

    def encode_pixels(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, D) unit rows of pixels that `preprocess` has mirrored."""
        return self._seen.encode_pixels(pixels)

    def encode_images(self, images: Sequence[Image.Image | str | Path], views: int = 1) -> torch.Tensor:
        """(N, D) unit rows of the mirrored images, in one view."""
        shown = [self.preprocess(open_image(image, at_least=self.card.decoded_side)) for image in images]
        return self.encode_pixels(torch.stack(shown))

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """(M, D) unit rows; words are not mirrored."""
        return self._seen.encode_texts(texts)


@dataclass(frozen=True, eq=False)
class Pool:
    """All images of one source as one encoder sees them, of which folders are drawn."""

    kind: str  # "real" or "synthetic"
    encoder: str
    source: str
    quality: str  # of features and wording; of a synthetic pool also which one it is
    away: bool  # the encoder has never seen the source
    features: torch.Tensor  # (N, D) float32 unit rows
    mirrored: torch.Tensor  # (N, D) float32 unit rows, a second view of each image
    labels: Rows  # (N,)
    proxies: torch.Tensor  # (C, D) float32 unit rows
    halves: torch.Tensor  # (2, C, D) float32 unit rows, from each half of the wordings
    home: EncoderHome | None = None
    means: HomeMeans = NO_MEANS
    spread: Spread | None = None

    @property
    def number(self) -> int:
        """Of this pool in all runs: no other has the same encoder, source and quality."""
        return int(sha256("\n".join((self.encoder, self.source, self.quality)).encode()).hexdigest()[:8], 16)


def synthetic_pools(seeds: Iterable[int], count: int) -> Iterator[Pool]:
    """For each seed so many balanced sets of synthetic images whose text accuracy is of interest.

    As many images again of the same world are kept as a home, for the spread of classes alone: home means would take
    off exactly the bias that is put in.
    """
    for seed in seeds:
        for number in range(count):
            rng = np.random.default_rng([seed, number])
            classes = POOL_CLASSES[number % len(POOL_CLASSES)]
            images = max(POOL, OF_CLASS * classes)
            while True:
                separation, bias, error = (float(rng.choice(values)) for values in (SEPARATIONS, BIASES, TEXT_ERRORS))
                nuisance, draw = NUISANCES[rng.integers(len(NUISANCES))], int(rng.integers(2**31))
                world = synthetic_world("balanced", classes, 2 * images, separation, bias, error, nuisance, draw)
                if TEXT_ACCURACY[0] <= world.text_accuracy() <= TEXT_ACCURACY[1]:
                    break
            proxies, rows = torch.from_numpy(world.text_proxies), torch.from_numpy(world.image_features)
            apart = normalize(torch.from_numpy(rng.standard_normal(proxies.shape)).float(), dim=1)
            halves = torch.stack([proxies + HALVES_APART * apart, proxies - HALVES_APART * apart])
            names = world.labels.astype(str)
            home = Home(rows[images:], names[images:], np.full(images, "synthetic"))
            yield Pool(
                kind="synthetic",
                encoder="synthetic",
                source="synthetic",
                quality=f"{classes} classes, pool {number} of seed {seed}",
                away=False,
                features=rows[:images],
                mirrored=second_view(rows[:images], rng),
                labels=world.labels[:images],
                proxies=proxies,
                halves=normalize(halves, dim=-1),
                spread=home.spread_of(map(str, range(classes))),
            )


def second_view(features: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """(N, D) unit rows at a distance of VIEWS_APART from unit rows (N, D), each in a random direction."""
    noise = torch.from_numpy(rng.standard_normal(features.shape)).float()
    aside = normalize(noise - (noise * features).sum(dim=1, keepdim=True) * features, dim=1)
    cosine = 1 - VIEWS_APART**2 / 2
    return cosine * features + (1 - cosine**2) ** 0.5 * aside


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
        features, mirrored = (image_features(one, data.images, cache) for one in (encoder, Mirrored(encoder)))
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
                mirrored=mirrored,
                labels=data.labels,
                proxies=texts.proxies(kept, weight),
                halves=torch.stack(halves),
                home=home.statistics,
                means=HomeMeans(home.mean_of(data.classes), home.table_mean),
                spread=home.spread_of(data.classes),
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
    """The pool as a worse encoder sees it: noise is added to each view. Its home stays that of the clean images."""
    generator = torch.Generator().manual_seed(0)
    noise = (normalize(torch.randn(rows.shape, generator=generator), dim=1) for rows in (pool.features, pool.mirrored))
    features, mirrored = (
        normalize(rows + NOISE * own, dim=1) for rows, own in zip((pool.features, pool.mirrored), noise, strict=True)
    )
    return replace(pool, quality=f"{pool.quality}, noised", features=features, mirrored=mirrored)


def projected(pool: Pool, home: Home, classes: Sequence[str]) -> Pool:
    """The pool in few random dimensions, views, texts and home as well."""
    generator = torch.Generator().manual_seed(0)
    width = pool.features.shape[1]
    axes = torch.linalg.qr(torch.randn(width, PROJECTED, generator=generator)).Q  # (D, PROJECTED)
    smaller, mean = home.projected(axes), home.mean_of(classes)
    return replace(
        pool,
        quality=f"{pool.quality}, projected",
        features=normalize(pool.features @ axes, dim=1),
        mirrored=normalize(pool.mirrored @ axes, dim=1),
        proxies=normalize(pool.proxies @ axes, dim=1),
        halves=normalize(pool.halves @ axes, dim=-1),
        home=None,  # few dimensions hold no rest that is unfamiliar
        means=HomeMeans(None if mean is None else normalize(mean @ axes, dim=0) * mean.norm(), smaller.table_mean),
        spread=smaller.spread_of(classes),
    )
