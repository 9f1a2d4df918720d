"""What refinement changes on different class mixes: the natural one, balanced subsets, folders of a single class.

    python -m zsderm.benchmarks.experiments.mixes --dataset pad --dataset ham10000 --data-root DATA

Text proxies from retrieved descriptions (`knowledge`) beside the whole method (`kpl`), in points of accuracy. Images
are embedded once and shared by all folders. All figures of the natural mix are those of `zsderm benchmark`.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from zsderm import ZeroShotClassifier, load_encoder
from zsderm.benchmarks.class_mixes import Mix, class_mixes
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.options import cache_dir_option, model_option, split_option

SEEDS = 5  # balanced folders


@click.command(help=__doc__)
@click.option("--dataset", "datasets", multiple=True, default=["pad", "ham10000"], show_default=True)
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), envvar="ZSDERM_DATA")
@model_option
@split_option
@click.option("--prior", default="auto", show_default=True, type=click.Choice(["auto", "uniform"]))
@cache_dir_option
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
                    encoder, classes=dataset.classes, method=method, prior=prior, views=1, cache=cache_dir or forgotten
                )
                for method in ("knowledge", "kpl")
            ]
            for mix in class_mixes(dataset.labels, SEEDS):
                if mix.kind != "capped":
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
    names = {"balanced": f"balanced {mix.number}", "one class": f"only {dataset.classes[mix.number]}"}
    return f"| {dataset.title} | {names.get(mix.kind, mix.kind)} | {len(mix.rows)} | {shown} | {points} |"


if __name__ == "__main__":
    main()
