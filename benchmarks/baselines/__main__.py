"""Methods from the literature and ours, each against text proxies, on real features.

    python -m zsderm.benchmarks.baselines.embed --dataset pad --data-root DATA --output FEATURES
    python -m zsderm.benchmarks.baselines --features FEATURES/pad-knowledge.npz

Prints one Markdown table per file and temperature, and one of the text proxies by themselves. Every method sees the
same image features and the same text proxies, and each folder is one batch. Changes are in points of accuracy against
argmax of image @ text proxy on the same images.
"""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd

from zsderm.benchmarks.baselines.table import as_markdown, measure, texts_as_markdown
from zsderm.benchmarks.features import read_features
from zsderm.errors import ZsdermError


@click.command(help=__doc__)
@click.option(
    "--features",
    "files",
    multiple=True,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=".npz with image_features (N, D), labels (N,) as indices, and text_proxies (C, D).",
)
@click.option(
    "--temperature",
    "temperatures",
    multiple=True,
    default=(0.01,),
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Of the softmax over text scores; the published methods take 0.01, a model has its own.",
)
@click.option("--seeds", default=5, show_default=True, help="Capped and balanced folders to draw.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="CSV with one row per folder, method.")
def main(files: tuple[Path, ...], temperatures: tuple[float, ...], seeds: int, output: Path | None) -> None:
    """Print the tables, and keep every figure where asked."""
    tables = {}
    for file in files:
        try:
            features = read_features(file)
        except ZsdermError as error:
            raise click.ClickException(str(error)) from error
        for temperature in temperatures:
            figures = tables[features.name, temperature] = measure(features, temperature, seeds)
            click.echo(f"\n### {features.name}, temperature {temperature:g}\n\n{as_markdown(figures)}")
    last = {name: figures for (name, _), figures in tables.items()}  # text proxies know no temperature
    click.echo(f"\n### Text proxies by themselves\n\n{texts_as_markdown(last)}")
    if output:
        pd.concat(tables, names=["features", "temperature"]).to_csv(output)


if __name__ == "__main__":
    main()
