"""Variants of the text proxies from a knowledge base, for classes that the encoder was trained on.

    python -m zsderm.benchmarks.experiments.knowledge_variants --data-root DATA

Prints the tables of docs/knowledge.md. Every variant scores images by cosine with one proxy per class; they
differ in which descriptions make it, how they are weighed, and how much of it is the class name. The last row needs
labels, and shows how far this kind of classifier goes in this space: the proxy of a class is the mean of its own
images, each image left out of its own class's mean.

Accuracy and balanced accuracy have 95 % bootstrap intervals; the difference from class names is taken on the same
resamples. Patients (PAD) and lesions (HAM10000) are drawn, not images.

Letters: N images, C classes, M descriptions, D width, B resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from zsderm import ZeroShotClassifier, load_encoder
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.features import image_features
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.options import cache_dir_option, data_root_option, model_option, split_option

Floats = NDArray[np.float32]
DATASETS = ("pad", "ham10000")
RESAMPLES = 1000
LESION_ASPECTS = ("primary lesion", "colour", "border and shape", "surface and scale", "dermoscopic structures")
MODALITIES = {"clinical": "a clinical photograph of skin", "dermoscopic": "a dermoscopic image of skin"}
SHARPNESS = 0.03  # of the specificity weights, in cosines


@dataclass(frozen=True)
class Subject:
    """One data set, embedded."""

    images: Floats  # (N, D) unit rows
    labels: NDArray[np.int_]  # (N,)
    plain: Floats  # (C, D) the bare class names
    names: Floats  # (C, D) the mean of all templates with the name
    texts: Floats  # (M, D) descriptions in the sentence that names their disease
    bare: Floats  # (M, D) the descriptions alone
    owner: NDArray[np.int_]  # (M,)
    aspects: NDArray[np.str_]  # (M,)
    modalities: NDArray[np.str_]  # (M,)
    modality: str  # which wording the mean image is nearer to


Scores = Callable[[Subject], Floats]  # (N, C)


def unit(rows: Floats) -> Floats:
    """Rows of length one."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def by_mean(s: Subject, keep: NDArray[np.bool_] | None = None, weights: Floats | None = None) -> Floats:
    """(C, D) the weighted mean of each class's kept descriptions; a class of which none is kept keeps all."""
    weights = np.ones(len(s.texts), np.float32) if weights is None else weights
    rows = []
    for index in range(len(s.names)):
        own = s.owner == index
        chosen = own & keep if keep is not None and (own & keep).any() else own
        rows.append((weights[chosen, None] * s.texts[chosen]).sum(axis=0))
    return unit(np.stack(rows))


def with_name(s: Subject, proxies: Floats, weight: float) -> Floats:
    """Proxies (C, D) or (N, C, D) with a share of the class names."""
    return unit((1 - weight) * proxies + weight * s.names)


def nearest_in_batch(s: Subject, k: int) -> NDArray[np.bool_]:
    """(M,) the K descriptions of each class most like the mean image."""
    query, keep = unit(s.images.mean(axis=0)), np.zeros(len(s.texts), bool)
    for index in range(len(s.names)):
        own = np.flatnonzero(s.owner == index)
        keep[own[np.argsort(-(s.texts[own] @ query))[:k]]] = True
    return keep


def by_image(s: Subject, k: int, weight: float, allowed: NDArray[np.bool_] | None = None) -> Floats:
    """(N, C) cosines with the proxy that each image's own K nearest descriptions make."""
    columns = []
    for index in range(len(s.names)):
        own = s.owner == index
        own = own & allowed if allowed is not None and (own & allowed).any() else own
        texts = s.texts[own]
        nearest = np.argsort(-(s.images @ texts.T), axis=1)[:, :k]  # (N, k)
        proxies = unit((1 - weight) * unit(texts[nearest].mean(axis=1)) + weight * s.names[index])  # (N, D)
        columns.append((s.images * proxies).sum(axis=1))
    return np.stack(columns, axis=1)


def matching(s: Subject) -> NDArray[np.bool_]:
    """(M,) descriptions for the modality that the images look like, and those for either."""
    return np.isin(s.modalities, [s.modality, "either"])


def specificity_weights(s: Subject) -> Floats:
    """(M,) how much nearer a bare description is to its own class's name than to the next, as a positive weight."""
    cosines = s.bare @ s.names.T  # (M, C)
    rows = np.arange(len(s.bare))
    own = cosines[rows, s.owner]
    cosines[rows, s.owner] = -np.inf
    return np.exp((own - cosines.max(axis=1)) / SHARPNESS)


def by_own_images(s: Subject) -> Floats:
    """(N, C) cosines with the mean image of each class, without the image that is scored. Needs the labels."""
    hot = np.eye(len(s.names), dtype=np.float32)[s.labels]  # (N, C)
    sums = hot.T @ s.images  # (C, D)
    scores = s.images @ unit(sums).T
    without = unit(sums[s.labels] - s.images)  # (N, D)
    scores[np.arange(len(s.labels)), s.labels] = (s.images * without).sum(axis=1)
    return scores


VARIANTS: dict[str, Scores] = {
    "class name": lambda s: s.images @ s.plain.T,
    "templates": lambda s: s.images @ s.names.T,
    "all descriptions": lambda s: s.images @ by_mean(s).T,
    "all descriptions, half name": lambda s: s.images @ with_name(s, by_mean(s), 0.5).T,
    "batch, K = 10": lambda s: s.images @ by_mean(s, nearest_in_batch(s, 10)).T,
    "batch, K = 10, half name (the default)": lambda s: (
        s.images @ with_name(s, by_mean(s, nearest_in_batch(s, 10)), 0.5).T
    ),
    "image, K = 10": lambda s: by_image(s, 10, 0.0),
    "image, K = 10, half name": lambda s: by_image(s, 10, 0.5),
    "without look-alikes": lambda s: s.images @ by_mean(s, s.aspects != "look-alikes").T,
    "aspects of the lesion only": lambda s: s.images @ by_mean(s, np.isin(s.aspects, LESION_ASPECTS)).T,
    "modality of the images": lambda s: s.images @ by_mean(s, matching(s)).T,
    "modality of the images, half name": lambda s: s.images @ with_name(s, by_mean(s, matching(s)), 0.5).T,
    "modality, image, K = 10, half name": lambda s: by_image(s, 10, 0.5, matching(s)),
    "weighed by specificity": lambda s: s.images @ by_mean(s, weights=specificity_weights(s)).T,
    "minus the mean proxy": lambda s: s.images @ unit(by_mean(s) - by_mean(s).mean(axis=0)).T,
    "images minus their mean": lambda s: unit(s.images - s.images.mean(axis=0)) @ by_mean(s).T,
    "(labels needed) mean of a class's own images": by_own_images,
}


def balanced_accuracies(hits: NDArray[np.bool_], labels: NDArray[np.int_], counts: Floats) -> NDArray[np.float64]:
    """(B,) balanced accuracy on each resample, over the classes that it holds.

    Args:
        hits: (N,) whether an image is classified rightly.
        labels: (N,) classes.
        counts: (B, N) how often each image was drawn.
    """
    hot = np.eye(labels.max() + 1)[labels]  # (N, C)
    drawn = counts @ hot  # (B, C)
    right = counts @ (hot * hits[:, None])
    recalls = np.divide(right, drawn, out=np.full_like(drawn, np.nan), where=drawn > 0)
    return np.nanmean(recalls, axis=1)


def resample(units: NDArray[np.object_], seed: int = 0) -> Floats:
    """(B, N) how often each image is drawn when units are drawn with replacement."""
    _, owner = np.unique(units.astype(str), return_inverse=True)
    rng, count = np.random.default_rng(seed), owner.max() + 1
    draws = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)  # (B, units)
    return draws[:, owner].astype(np.float32)


def rows_for(subject: Subject, units: NDArray[np.object_]) -> list[str]:
    """One line of Markdown per variant."""
    counts = np.concatenate([np.ones((1, len(subject.labels)), np.float32), resample(units)])  # first: as it is
    plain, lines = None, []
    for name, scores in VARIANTS.items():
        hits = scores(subject).argmax(axis=1) == subject.labels
        balanced = 100 * balanced_accuracies(hits, subject.labels, counts)
        plain = balanced if plain is None else plain
        accuracy = 100 * (counts @ hits) / counts.sum(axis=1)  # (1 + B,)
        worse, better = np.quantile((balanced - plain)[1:], [0.025, 0.975])
        gain = f"{(balanced - plain)[0]:+.1f} ({worse:+.1f} to {better:+.1f})"
        lines.append(f"| {name} | {_interval(accuracy)} | {_interval(balanced)} | {gain} |")
    return lines


def _interval(values: NDArray[np.floating]) -> str:
    """The first value with the 95 % interval of the others."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return f"{values[0]:.1f} ({low:.1f}–{high:.1f})"


def subject_of(classifier: ZeroShotClassifier, images: LabelledImages, cache: Path | None = None) -> Subject:
    """Embed everything that the variants need, once."""
    encoder, texts = classifier.encoder, classifier.texts
    described = [sentence.description for sentence in texts.sentences if sentence.description is not None]
    if texts.names is None or len(described) != len(texts.sentences):
        raise click.ClickException("this measurement wants a base that describes every class")
    features = image_features(encoder, images.images, cache).numpy()
    wordings = encoder.encode_texts(list(MODALITIES.values())).numpy()
    return Subject(
        images=features,
        labels=images.labels,
        plain=encoder.encode_texts(list(images.classes)).numpy(),
        names=texts.names.numpy(),
        texts=texts.features.numpy(),
        bare=encoder.encode_texts([text.text for text in described]).numpy(),
        owner=texts.class_of.numpy(),
        aspects=np.array([text.aspect for text in described]),
        modalities=np.array([text.modality for text in described]),
        modality=list(MODALITIES)[int((wordings @ features.mean(axis=0)).argmax())],
    )


@click.command(help=__doc__)
@data_root_option
@model_option
@split_option
@cache_dir_option
def main(data_root: Path, model: str, split: str, cache_dir: Path | None) -> None:
    """Measure every variant on both data sets, and print Markdown."""
    encoder = load_encoder(model)
    for dataset in DATASETS:
        images = load(dataset, data_root, split)
        classifier = ZeroShotClassifier.from_pretrained(encoder, classes=images.classes, method="knowledge")
        subject = subject_of(classifier, images, cache_dir)
        units = np.arange(len(images)).astype(object) if images.units is None else images.units
        lines = [
            f"## {images.title}, n = {len(images)}, read as {subject.modality}",
            "",
            "| proxies | accuracy (95 % interval) | balanced (95 % interval) | balanced, against class names |",
            "|---|---|---|---|",
            *rows_for(subject, units),
        ]
        click.echo("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
