"""What a class prior costs and gains against plain text proxies: synthetic regimes, and real features where given.

    python -m zsderm.benchmarks.prior_regimes --seeds 3
    python -m zsderm.benchmarks.prior_regimes --features FEATURES.npz --features MORE.npz

Prints Markdown. Figures are points of accuracy against argmax of image @ text proxy, on the same images. FEATURES.npz
holds image_features (N, D), labels (N,) as indices, and text_proxies (C, D); natural, partial, balanced, skewed and
single-class folders are drawn from it, with the text proxies as they are and with a class bias added.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import click
import numpy as np
import pandas as pd

from zsderm.proxies import refine

CLASSES = (2, 6, 7, 40, 134)
IMAGES = (1, 10, 100, 300, 1000, 5000)
MIXES = ("balanced", "long tail", "zipf", "one class")
HAM10000_PERCENT = (67.0, 11.0, 11.0, 5.0, 3.3, 1.4, 1.1)
SEPARATIONS = (0.2, 0.3, 0.4, 0.6)  # length of a class mean, in units of the noise's length
BIASES = (0.0, 0.05, 0.1, 0.2)  # spread over classes of a text proxy's pull on all images
TEXT_ERRORS = (0.5, 1.0, 2.0, 3.0)  # length of the error of a text proxy, in units of its class mean
NUISANCES = ((0.0, 0.0), (0.0, 0.0), (1.0, 0.0), (0.0, 0.5), (1.0, 0.5))  # correlated noise, two types per class
TEXT_ACCURACY = (0.3, 0.9)  # the regimes of interest; one class only is kept whatever its text accuracy
SMALLEST_FOLDER = 60
WIDTH = 256


@dataclass(frozen=True)
class World:
    """N images with labels, and text proxies that are biased and imprecise."""

    group: tuple[str, int]
    image_features: np.ndarray  # (N, D) float32 unit rows
    text_proxies: np.ndarray  # (C, D) float32 unit rows
    labels: np.ndarray  # (N,)

    @property
    def text_accuracy(self) -> float:
        """Share of images that the text proxies name correctly."""
        return float(((self.image_features @ self.text_proxies.T).argmax(axis=1) == self.labels).mean())

    def accuracy(self, prior: str) -> tuple[float, bool]:
        """Share of images that refined proxies name correctly, and whether anything was refined."""
        refined = refine(self.image_features, self.text_proxies, prior)
        return float((refined.scores.argmax(dim=1).numpy() == self.labels).mean()), refined.accepted


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
    pull = bias * rng.standard_normal((classes, 1)) * image_gap
    return World(
        (mix, classes),
        _unit(1.5 * image_gap + separation * means[labels] + noise).astype(np.float32),
        _unit(1.5 * text_gap + means + wrong + pull).astype(np.float32),
        labels,
    )


def synthetic_worlds(seeds: int, largest: int) -> Iterator[World]:
    """For every mix, number of classes and of images: as many random settings as seeds."""
    for mix, classes, images in product(MIXES, CLASSES, IMAGES):
        rng = np.random.default_rng([len(mix), classes, images])
        found = tried = 0
        while images <= largest and found < seeds and tried < 30 * seeds:
            separation, bias, error = (float(rng.choice(values)) for values in (SEPARATIONS, BIASES, TEXT_ERRORS))
            nuisance, seed = NUISANCES[rng.integers(len(NUISANCES))], int(rng.integers(2**31))
            world = synthetic_world(mix, classes, images, separation, bias, error, nuisance, seed)
            tried += 1
            low, high = TEXT_ACCURACY
            if images == 1 or low <= world.text_accuracy <= high or (mix == "one class" and classes > images**0.5):
                found += 1
                yield world


def real_worlds(file: Path, seeds: int) -> Iterator[World]:
    """Folders of several mixes drawn from real features, with and without a class bias added to the text proxies."""
    with np.load(file) as arrays:
        features = arrays["image_features"].astype(np.float32)
        labels, proxies = arrays["labels"], arrays["text_proxies"].astype(np.float32)
    mean_image = _unit(features.mean(axis=0))
    for seed, bias in product(range(seeds), (0.0, 0.15, 0.3)):
        rng = np.random.default_rng(seed)
        biased = _unit(proxies + bias * rng.standard_normal((len(proxies), 1)) * mean_image).astype(np.float32)
        for mix, rows in _folders(labels, rng, first=seed == 0):
            if len(rows) >= SMALLEST_FOLDER:
                yield World((f"{mix}, bias {bias}", len(proxies)), features[rows], biased, labels[rows])


def _folders(labels: np.ndarray, rng: np.random.Generator, first: bool) -> Iterator[tuple[str, np.ndarray]]:
    classes = np.unique(labels)
    yield "natural", rng.permutation(len(labels))[: len(labels) if first else int(0.7 * len(labels))]
    for largest in (15, 40):
        picks = [rng.permutation(np.flatnonzero(labels == c))[:largest] for c in classes]
        yield "balanced", np.concatenate(picks)
    weights = rng.dirichlet(np.full(len(classes), 0.5))[np.searchsorted(classes, labels)] + 1e-9
    yield "skewed", rng.choice(len(labels), len(labels) // 2, replace=False, p=weights / weights.sum())
    for c in classes:
        rows = rng.permutation(np.flatnonzero(labels == c))
        yield "one class", rows if first else rows[: int(0.8 * len(rows))]


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def measure(worlds: Iterator[World]) -> pd.DataFrame:
    """One row per world: text accuracy, and the change under the uniform and the guarded prior, in points."""
    rows = []
    for world in worlds:
        text = world.text_accuracy
        uniform, _ = world.accuracy("uniform")
        auto, refined = world.accuracy("auto")
        rows.append((*world.group, len(world.labels), 100 * text, 100 * (uniform - text), 100 * (auto - text), refined))
    return pd.DataFrame(rows, columns=["mix", "classes", "images", "text", "uniform", "auto", "refined"])


def as_markdown(figures: pd.DataFrame) -> str:
    """The regime table, and the two figures the guard is held to."""
    lines = [
        "| mix | classes | folders | text accuracy | uniform: mean, worst | auto: mean, worst | refined |",
        "|---|---|---|---|---|---|---|",
    ]
    for (mix, classes), part in figures.groupby(["mix", "classes"], sort=False):
        changes = " | ".join(f"{part[prior].mean():+.1f}, {part[prior].min():+.1f}" for prior in ("uniform", "auto"))
        refined = f"{part['refined'].mean():.0%}"
        lines.append(f"| {mix} | {classes} | {len(part)} | {part['text'].mean():.1f} | {changes} | {refined} |")
    balanced = figures[figures["mix"].str.startswith("balanced") & (figures["images"] >= 100)]
    gain = balanced["uniform"].clip(lower=0)
    kept = (balanced["auto"] * (gain > 0)).sum() / max(gain.sum(), 1e-9)
    lines += [
        "",
        f"Worst cost of auto: {max(0.0, -figures['auto'].min()):.1f} points in {len(figures)} folders "
        f"({(figures['auto'] < -1).sum()} cost more than one point). Worst cost of uniform: "
        f"{max(0.0, -figures['uniform'].min()):.1f}.",
        f"On balanced folders of 100 images or more, auto keeps {kept:.0%} of what uniform gains.",
    ]
    return "\n".join(lines)


@click.command(help=__doc__)
@click.option("--seeds", default=3, show_default=True, help="Random settings per regime; draws per real mix.")
@click.option("--largest", default=5000, show_default=True, help="Leave out synthetic folders with more images.")
@click.option("--features", "files", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="CSV with one row per folder.")
def main(seeds: int, largest: int, files: tuple[Path, ...], output: Path | None) -> None:
    """Print one table for the synthetic regimes, or one per file of real features."""
    warnings.simplefilter("ignore")
    tables = {file.stem: measure(real_worlds(file, seeds)) for file in files}
    if not files:
        tables["synthetic"] = measure(synthetic_worlds(seeds, largest))
    for name, figures in tables.items():
        click.echo(f"\n### {name}\n\n{as_markdown(figures)}")
    if output:
        pd.concat(tables, names=["source"]).to_csv(output)


if __name__ == "__main__":
    main()
