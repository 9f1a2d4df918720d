"""What each part of MAKE adds at a small budget: the losses switched on one after the other, several seeds each.

    python -m zsderm.benchmarks.experiments.pretraining_ablation --data-root DATA --runs RUNS \\
        --output docs/pretraining_ablation.json --document MODEL_CARD.md

trains the recipe of a configuration once a variant and seed, with the same images in the same order for every variant
of a seed, and asks each encoder for the classes of the evaluation sets, by class names and with the knowledge base.
Runs that are finished are not made again and one that was stopped goes on, so the command can be given once more at any
time, with other seeds too; several processes may share the seeds between them. Prints Markdown; --document puts it
between the lines <!-- ablation --> and <!-- end of ablation --> of a page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import pandas as pd
import yaml

from zsderm import KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.options import data_root_option
from zsderm.benchmarks.pages import splice
from zsderm.metrics import evaluate
from zsderm.pretrain import run

CONFIG = Path(__file__).parents[2] / "pretrain" / "configs" / "mini.yaml"
# No local loss begins within so few steps at sigma 0.3: see docs/pretraining.md.
EARLY = {"early_sigma": 0.1, "crop_scale": [0.4, 1.0], "quarter_turns": True}
PLAIN = {"captions": ["caption"], "lambda_s": 0.0, "guided_weights": False}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain contrast": PLAIN,
    "+ multi-aspect": {"lambda_s": 0.0, "guided_weights": False},
    "+ local alignment": {"guided_weights": False},
    "+ weights": {},
}
TRANSFER = "no photograph"  # the last variant again, on the dermoscopic images alone
METHODS = ("class-name", "knowledge")
FIGURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_auroc": "AUROC",
    "calibration_error": "calibration error",
}
WARM_UP_SHARE = 0.1  # of the steps


def settings_of(config: Path, variant: str, seed: int, epochs: int, samples: int, pixels: int) -> dict[str, Any]:
    """The settings that make a run of a variant out of a recipe.

    Args:
        config: the recipe.
        variant: of VARIANTS, or TRANSFER.
        seed: of everything that is drawn.
        epochs: of the run.
        samples: images drawn in an epoch.
        pixels: side of the square that the image tower sees.
    """
    recipe = yaml.safe_load(config.read_text(encoding="utf-8"))
    steps = epochs * (samples // recipe["batch_size"])
    budget = {"epochs": epochs, "samples_per_epoch": samples, "warm_up_steps": max(1, round(WARM_UP_SHARE * steps))}
    size = {"model_cfg.vision_cfg.image_size": pixels, "preprocess_cfg.size": pixels}
    early = {**EARLY, "early_sigma_epochs": epochs}
    chosen = {**budget, **size, **early, "seed": seed, "evaluate": [], "tensorboard": False}
    if variant != TRANSFER:
        return {**chosen, **VARIANTS[variant]}
    kept = [source for source in recipe["train"] if source.get("modality", "clinical") != "clinical"]
    return {**chosen, "train": kept}


def figures_of(encoder: Path, datasets: Iterable[str], data_root: Path) -> list[dict[str, Any]]:
    """What an encoder folder makes of the dev splits: a row a data set and method, with the names of FIGURES."""
    model = load_encoder(f"local-dir:{encoder}")
    rows = []
    for dataset in datasets:
        images = load(dataset, data_root, "dev")
        for method in METHODS:
            classifier = ZeroShotClassifier.from_pretrained(
                model, classes=images.classes, method=method, cache=encoder.parent / "embeddings"
            )
            predictions = classifier.predict(images.images)
            metrics = evaluate(images.labels, predictions.probabilities, resamples=1)
            told = {"dataset": dataset, "method": method, "n": len(images)}
            rows.append({**told, **{name: round(float(getattr(metrics, name)), 4) for name in FIGURES}})
    return rows


def measured(
    folder: Path, config: Path, data_root: Path, settings: Mapping[str, Any], datasets: Iterable[str]
) -> list[dict[str, Any]]:
    """The figures of one run, trained where it is not yet; they are kept in its folder."""
    kept = folder / "figures.json"
    if not kept.is_file():
        encoder = run(config, folder, data_root, settings)
        log = pd.read_csv(folder / "log.csv")
        cost = {"seconds": round(float(log["seconds"].sum()), 1), "loss": float(log["loss"].iloc[-1])}
        rows = [{**row, **cost} for row in figures_of(encoder, datasets, data_root)]
        with atomic_file(kept) as draft:
            draft.write_text(json.dumps({"settings": settings, "figures": rows}, indent=1) + "\n", encoding="utf-8")
    found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    if found["settings"] != settings:
        raise click.ClickException(f"{folder} holds a run with other settings. Choose another --runs.")
    return list(found["figures"])


def markdown(rows: list[dict[str, Any]]) -> str:
    """A table a method: mean over the seeds, with the least and the greatest in brackets."""
    frame = pd.DataFrame(rows)
    parts = []
    for method, part in frame.groupby("method", sort=False):
        datasets = list(dict.fromkeys(part["dataset"]))
        heads = [f"{name} {label}" for name in datasets for label in FIGURES.values()]
        lines = ["| " + " | ".join([f"{method}", "seeds", *heads]) + " |", "|---|--:" + "|---" * len(heads) + "|"]
        for variant, runs in part.groupby("variant", sort=False):
            cells = [_cell(runs.loc[runs["dataset"] == name, figure]) for name in datasets for figure in FIGURES]
            lines.append("| " + " | ".join([str(variant), str(runs["seed"].nunique()), *cells]) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _cell(values: pd.Series[float]) -> str:
    return f"{values.mean():.3f} ({values.min():.3f}–{values.max():.3f})" if len(values) else ""


@click.command(help=__doc__)
@data_root_option
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), default=CONFIG, help="The recipe.")
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the runs.")
@click.option("--seed", "seeds", type=int, multiple=True, default=(1, 2, 3), show_default=True, help="May repeat.")
@click.option("--variant", "variants", multiple=True, type=click.Choice([*VARIANTS, TRANSFER]), help="May repeat.")
@click.option("--epochs", default=2, show_default=True)
@click.option("--samples", default=3000, show_default=True, help="Images drawn in an epoch.")
@click.option("--pixels", default=128, show_default=True, help="Side of the square that the image tower sees.")
@click.option("--dataset", "datasets", multiple=True, default=("pad", "ham10000"), show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file with every figure.")
@click.option("--document", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Page for the table.")
def main(
    data_root: Path,
    config: Path,
    runs: Path,
    seeds: tuple[int, ...],
    variants: tuple[str, ...],
    epochs: int,
    samples: int,
    pixels: int,
    datasets: tuple[str, ...],
    output: Path | None,
    document: Path | None,
) -> None:
    """Train what is not trained, ask what is not asked, and print the table."""
    chosen = variants or (*VARIANTS, TRANSFER)
    rows = []
    for seed in seeds:
        for variant in chosen:
            folder = runs / f"{variant.lstrip('+ ').replace(' ', '-')}-{seed}"
            settings = settings_of(config, variant, seed, epochs, samples, pixels)
            told = {"variant": variant, "seed": seed}
            rows += [{**told, **row} for row in measured(folder, config, data_root, settings, datasets)]
    table = markdown(rows)
    click.echo(table)
    if output:
        content = {
            "epochs": epochs,
            "samples_per_epoch": samples,
            "pixels": pixels,
            "knowledge": KnowledgeBase.load("dermatology").checksum,
            "figures": rows,
        }
        with atomic_file(output) as draft:
            draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if document:
        splice(document, {"ablation": f"\n\n{table}\n\n"}, required="ablation")


if __name__ == "__main__":
    main()
