"""What refinement costs or gains on other class mixes: the natural one, balanced subsets, folders of a single class.

    python -m zsderm.benchmarks.experiments.mixes --dataset pad --dataset ham10000 --data-root DATA

Text proxies from retrieved descriptions (`knowledge`) beside the whole method (`kpl`), in points of accuracy. Images
are embedded once and shared by all folders. All figures of the natural mix are those of `zsderm benchmark`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from numpy.typing import NDArray

from zsderm import ZeroShotClassifier, load_encoder
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.labelled import LabelledImages

SMALLEST_FOLDER = 5  # images; a folder of one class with fewer says little


@dataclass(frozen=True, eq=False)
class Mix:
    """Some of the images of a data set, and what kind of mix they are."""

    name: str
    rows: NDArray[np.int_]


def mixes(labels: NDArray[np.int_], classes: tuple[str, ...], seeds: int = 5) -> Iterator[Mix]:
    """The natural mix, class-balanced subsets, and one folder per class.

    Args:
        labels: (N,) int, indices into ``classes``.
        classes: C names.
        seeds: balanced subsets; each holds as many images of every class that occurs as the rarest has.
    """
    yield Mix("natural", np.arange(len(labels)))
    present, counts = np.unique(labels, return_counts=True)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        chosen = [rng.choice(np.flatnonzero(labels == c), size=counts.min(), replace=False) for c in present]
        yield Mix(f"balanced {seed}", np.sort(np.concatenate(chosen)))
    for index, count in zip(present, counts, strict=True):
        if count >= SMALLEST_FOLDER:
            yield Mix(f"only {classes[index]}", np.flatnonzero(labels == index))


@click.command(help=__doc__)
@click.option("--dataset", "datasets", multiple=True, default=["pad", "ham10000"], show_default=True)
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), envvar="ZSDERM_DATA")
@click.option("--model", default="zsderm-mini", show_default=True)
@click.option("--split", default="dev", show_default=True)
@click.option("--prior", default="auto", show_default=True, type=click.Choice(["auto", "uniform"]))
@click.option("--cache-dir", type=click.Path(file_okay=False, path_type=Path), help="Keeps image embeddings.")
def main(
    datasets: tuple[str, ...], data_root: Path | None, model: str, split: str, prior: str, cache_dir: Path | None
) -> None:
    """Print one table as Markdown."""
    warnings.simplefilter("ignore")
    encoder = load_encoder(model)
    click.echo("| data set | mix | n | knowledge | kpl | difference (points) |\n|---|---|---|---|---|---|")
    with TemporaryDirectory() as forgotten:
        for dataset in (load(name, data_root, split) for name in datasets):
            classifiers = [
                ZeroShotClassifier.from_pretrained(
                    encoder, classes=dataset.classes, method=method, prior=prior, cache=cache_dir or forgotten
                )
                for method in ("knowledge", "kpl")
            ]
            for mix in mixes(dataset.labels, dataset.classes):
                click.echo(_row(dataset, mix, classifiers))


def _row(dataset: LabelledImages, mix: Mix, classifiers: list[ZeroShotClassifier]) -> str:
    before, after = (classifier.predict([dataset.images[row] for row in mix.rows]) for classifier in classifiers)
    true = dataset.labels[mix.rows]
    accuracies = [
        float((answer.probabilities.numpy()[answer.ok.numpy()].argmax(axis=1) == true[answer.ok.numpy()]).mean())
        for answer in (before, after)
    ]
    points = f"{100 * (accuracies[1] - accuracies[0]):+.1f}" + ("" if after.method == "kpl" else " (fell back)")
    shown = " | ".join(f"{accuracy:.3f}" for accuracy in accuracies)
    return f"| {dataset.title} | {mix.name} | {len(mix.rows)} | {shown} | {points} |"


if __name__ == "__main__":
    main()
