"""Features, labels and text proxies of a labelled data set in one file, for `prior_regimes` to draw folders from.

    python -m zsderm.benchmarks.experiments.prior_features --dataset pad --data-root DATA --method knowledge \\
        --output PAD-knowledge.npz

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from zsderm import ZeroShotClassifier, load_encoder
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.features import image_features
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.options import cache_dir_option, data_root_option, model_option
from zsderm.encoders import Encoder
from zsderm.errors import SettingsError

METHODS = ("knowledge", "class-name")


def features_of(
    encoder: Encoder, data: LabelledImages, method: str, cache: Path | None = None
) -> dict[str, np.ndarray]:
    """What text proxies meet: one view of each image, and one proxy of each class.

    Args:
        encoder: embeds images and texts.
        data: images with their labels.
        method: of METHODS, which says what the text proxies are made of.
        cache: folder for embeddings.

    Returns:
        image_features (N, D) float32 unit rows, labels (N,) int64, text_proxies (C, D) float32 unit rows, the
        names of the classes (C,), and, where that is known, home_mean (D,) float32, what prior "home" takes off.

    Raises:
        ImageError: an image cannot be read.
    """
    features = image_features(encoder, data.images, cache)
    subject = ZeroShotClassifier.from_pretrained(
        encoder, classes=list(data.classes), method=method, views=1, cache=cache
    )
    fitted = subject.fit(features).fitted
    assert fitted is not None
    return {
        **_home(encoder, list(data.classes), features),
        "image_features": features.numpy(),
        "labels": np.asarray(data.labels),
        "text_proxies": fitted.text.numpy(),
        "classes": np.array(data.classes),
    }


def _home(encoder: Encoder, classes: list[str], features: torch.Tensor) -> dict[str, np.ndarray]:
    try:
        subject = ZeroShotClassifier.from_pretrained(encoder, classes=classes, prior="home", views=1)
    except SettingsError:  # the training images were not measured, or show none of the classes
        return {}
    fitted = subject.fit(features).fitted
    assert fitted is not None
    if fitted.held_back.any():  # more is taken off than the mean says: a class was never shown
        return {}
    return {"home_mean": fitted.centre.numpy()}


def worse(arrays: Mapping[str, np.ndarray], noise: float, width: int | None, seed: int = 0) -> dict[str, np.ndarray]:
    """The same as a worse encoder would give them, whose training images are not known.

    Args:
        arrays: as from `features_of`.
        noise: length of what is added to each image, in random directions.
        width: of a random projection of images and texts; None for none.
        seed: of both.
    """
    rng = np.random.default_rng(seed)
    images, texts = arrays["image_features"], arrays["text_proxies"]
    if noise:
        images = _unit(images + noise * rng.standard_normal(images.shape) / images.shape[1] ** 0.5)
    if width is not None:
        axes = rng.standard_normal((images.shape[1], width))
        images, texts = _unit(images @ axes), _unit(texts @ axes)
    if not noise and width is None:
        return dict(arrays)
    kept = {name: array for name, array in arrays.items() if name != "home_mean"}
    return {**kept, "image_features": images.astype(np.float32), "text_proxies": texts.astype(np.float32)}


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@click.command(help=__doc__)
@model_option
@click.option("--dataset", required=True, help="Name of a card, or a table of images and labels.")
@click.option("--split", default="dev", show_default=True)
@click.option("--method", default="knowledge", show_default=True, type=click.Choice(METHODS))
@click.option("--noise", default=0.0, show_default=True, help="Length of noise added to each image.")
@click.option("--width", type=click.IntRange(min=1), help="Width of a random projection.  [default: none]")
@data_root_option
@cache_dir_option
@click.option("--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The .npz file.")
def main(
    model: str,
    dataset: str,
    split: str,
    method: str,
    noise: float,
    width: int | None,
    data_root: Path | None,
    cache_dir: Path | None,
    output: Path,
) -> None:
    """Write the file."""
    found = features_of(load_encoder(model), load(dataset, data_root, split), method, cache_dir)
    arrays: dict[str, Any] = worse(found, noise, width)
    with atomic_file(output) as draft:
        np.savez(draft, **arrays)
    click.echo(f"{len(arrays['labels'])} images, {len(arrays['classes'])} classes: {output}")


if __name__ == "__main__":
    main()
