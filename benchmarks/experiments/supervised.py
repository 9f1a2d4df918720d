"""What each step of optimisation adds to a supervised image tower: one row a step, several seeds each.

    python -m zsderm.benchmarks.experiments.supervised --data-root DATA --runs RUNS \\
        --output docs/supervised.json --document docs/supervised.md

trains the recipe of `supervised_lite0.yaml` on the train split of a set, first plainly, then with one step more in each
row, and asks the exported classifier for the dev split, which holds other patients or lesions. No setting was chosen on
the dev split. Averaging views is no training: that row asks the classifier of the row before it again.

Runs that are finished are not made again and one that was stopped goes on, so the command can be given once more at any
time; several processes may share the seeds between them. Prints Markdown; --document puts it between the lines
<!-- supervised SET --> and <!-- end of supervised SET --> of a page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.options import data_root_option, document_option, runs_option
from zsderm.benchmarks.pages import publish
from zsderm.metrics import evaluate
from zsderm.pretrain import run_supervised
from zsderm.supervised import SupervisedClassifier

CONFIG = Path(__file__).parents[2] / "pretrain" / "configs" / "supervised_lite0.yaml"
SHORT, LONG = 3, 9  # epochs
VIEWS = 8
# Each row has the settings of those above it too.
STEPS: dict[str, dict[str, Any]] = {
    "plain fine-tuning": {
        "class_balance": 0.0,
        "augmentation": {"crop_scale": [1.0, 1.0], "jitter_probability": 0.0},
        "mixup": 0.0,
        "label_smoothing": 0.0,
        "epochs": SHORT,
        "average": 0.0,
        "views": 1,
    },
    "+ balanced sampling": {"class_balance": 1.0},
    "+ crops and colour": {
        "augmentation": {"crop_scale": [0.5, 1.0], "quarter_turns": True, "jitter": [0.3, 0.3, 0.3, 0.02]}
    },
    "+ mixup": {"mixup": 0.2},
    "+ label smoothing": {"label_smoothing": 0.1},
    "+ longer cosine": {"epochs": LONG},
    "+ weights averaged over time": {"average": 0.98},
    "+ views averaged at test time": {"views": VIEWS},
}
TRAINS = {"pad": "clinical", "ham10000": "dermoscopic"}  # sets, and what camera
MINI = {"tower": "tf_efficientnet_lite2", "weights": "zsderm-mini", "preprocess_cfg.mode": "RGB, shades of grey 6"}
FIGURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro-F1",
    "top3_accuracy": "top-3",
    "macro_auroc": "AUROC",
    "calibration_error": "calibration error",
}


def settings_of(step: str, dataset: str, seed: int, start: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The settings of a run: those of a step and of all before it.

    Args:
        step: of STEPS.
        dataset: of TRAINS.
        seed: of everything that is drawn.
        start: settings of another tower and its weights.
    """
    settings: dict[str, Any] = {
        "train": [{"table": f"{dataset}/index.csv", "split": "train", "modality": TRAINS[dataset]}],
        "evaluate": [],
        "seed": seed,
        "log_every": 0,
        **(start or {}),
    }
    for name, changes in STEPS.items():
        settings |= changes
        if name == step:
            return settings
    raise KeyError(step)


def trained(step: str, folder: Path, data_root: Path, settings: dict[str, Any], config: Path = CONFIG) -> Path:
    """The classifier of a run, trained where it is not yet; views need no training of their own.

    Raises:
        SettingsError: the folder holds a run with other settings.
    """
    alike = {**settings, "views": 1} if settings["views"] > 1 else settings
    return run_supervised(config, folder, data_root, alike)


def figures_of(classifier: SupervisedClassifier, images: LabelledImages) -> dict[str, float]:
    """The figures of a classifier on labelled images, with the intervals of two of them."""
    found = evaluate(images.labels, classifier.predict(images.images).probabilities, clusters=images.units)
    bounds = [f"{name}_{end}" for name in ("accuracy", "balanced_accuracy") for end in ("low", "high")]
    return {name: round(float(getattr(found, name)), 4) for name in (*FIGURES, *bounds)}


def markdown(rows: list[dict[str, Any]]) -> str:
    """A row a step: the mean over the seeds, and the least and the greatest in brackets."""
    frame = pd.DataFrame(rows)
    heads = ["step", "epochs", "seeds", *FIGURES.values()]
    lines = ["| " + " | ".join(heads) + " |", "|---|--:|--:" + "|---" * len(FIGURES) + "|"]
    for step, runs in frame.groupby("step", sort=False):
        cells = [_cell(runs[name]) for name in FIGURES]
        lines.append("| " + " | ".join([str(step), str(runs["epochs"].iloc[0]), str(len(runs)), *cells]) + " |")
    return "\n".join(lines)


def _cell(values: pd.Series[float]) -> str:
    return f"{np.mean(values):.3f} ({values.min():.3f} to {values.max():.3f})"


def kept_rows(output: Path | None) -> list[dict[str, Any]]:
    """The rows of an earlier command, to which new ones are added."""
    return json.loads(output.read_text(encoding="utf-8"))["figures"] if output and output.is_file() else []


@click.command(help=__doc__)
@data_root_option
@click.option("--dataset", type=click.Choice(list(TRAINS)), default="pad", show_default=True)
@runs_option
@click.option("--seed", "seeds", type=int, multiple=True, default=(1, 2, 3), show_default=True, help="May repeat.")
@click.option("--step", "steps", multiple=True, help="Of the rows; may repeat. Default: all.")
@click.option("--start", type=click.Choice(["imagenet", "zsderm-mini"]), default="imagenet", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file; earlier rows are kept.")
@document_option
def main(
    data_root: Path,
    dataset: str,
    runs: Path,
    seeds: tuple[int, ...],
    steps: tuple[str, ...],
    start: str,
    output: Path | None,
    document: Path | None,
) -> None:
    """Train what is not trained, ask what is not asked, and print the table."""
    if unknown := [name for name in steps if name not in STEPS]:
        raise click.BadParameter(f"{unknown[0]!r} is none of: {', '.join(STEPS)}", param_hint="--step")
    images = load(dataset, data_root, "dev")
    rows = []
    for seed in seeds:
        for step in steps or STEPS:
            settings = settings_of(step, dataset, seed, MINI if start == "zsderm-mini" else None)
            number = list(STEPS).index(step) - (settings["views"] > 1)
            folder = runs / f"{dataset}-{start}-{number}-{seed}"
            found = trained(step, folder, data_root, settings)
            classifier = SupervisedClassifier.load(found, classes=images.classes, views=settings["views"])
            told = {"dataset": dataset, "start": start, "step": step, "seed": seed, "n": len(images)}
            rows.append({**told, "epochs": settings["epochs"], **figures_of(classifier, images)})
    key = ("dataset", "start", "step", "seed")
    merged = {tuple(row[name] for name in key): row for row in [*kept_rows(output), *rows]}
    order = sorted(merged.values(), key=lambda row: (row["dataset"], row["start"], list(STEPS).index(row["step"])))
    shown = [row for row in order if (row["dataset"], row["start"]) == (dataset, start)]
    publish({f"supervised {dataset} {start}": markdown(shown)}, {"figures": order}, output, document)


if __name__ == "__main__":
    main()
