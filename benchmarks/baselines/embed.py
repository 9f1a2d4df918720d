"""Embed a labelled image set once, so that the baselines, and prior_regimes, can be run on it.

    python -m zsderm.benchmarks.baselines.embed --dataset pad --data-root DATA --output FEATURES

Writes one .npz per kind of text proxies into FEATURES: class-name, templates (the template ensemble), descriptions
(CuPL-style: the mean of all descriptions) and knowledge (retrieved descriptions). Each holds image_features (N, D),
labels (N,), text_proxies (C, D) and classes (C,).
"""

from __future__ import annotations

import os
from pathlib import Path

import click
import numpy as np

from zsderm import KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.features import image_features
from zsderm.benchmarks.options import model_option, split_option
from zsderm.errors import ZsdermError

TEXTS = ("class-name", "templates", "descriptions", "knowledge")


@click.command(help=__doc__)
@click.option("--dataset", required=True, help="A data set by name, a table, or a folder with a sub-folder per class.")
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), envvar="ZSDERM_DATA")
@split_option
@model_option
@click.option("--knowledge", default="dermatology", show_default=True)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True)
def main(dataset: str, data_root: Path | None, split: str, model: str, knowledge: str, output: Path) -> None:
    """Write the files and say where they are."""
    try:
        labelled = load(dataset, data_root, split)
        encoder, base = load_encoder(model), KnowledgeBase.load(knowledge)
        paths = list(labelled.images)
        images = image_features(encoder, paths).numpy()
        output.mkdir(parents=True, exist_ok=True)
        for method in TEXTS:
            classifier = ZeroShotClassifier.from_pretrained(
                encoder, classes=labelled.classes, knowledge=base, method=method, views=1, cache=output / "cache"
            )
            fitted = classifier.fit(paths).fitted
            assert fitted is not None
            file = output / f"{labelled.name}-{method}.npz"
            draft = file.with_suffix(f".{os.getpid()}.tmp.npz")
            np.savez(
                draft,
                image_features=images,
                labels=labelled.labels,
                text_proxies=fitted.text.numpy(),
                classes=np.array(labelled.classes),
            )
            draft.replace(file)
            click.echo(file)
    except ZsdermError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
