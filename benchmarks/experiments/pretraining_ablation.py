"""What each part of a pretraining recipe adds at a small budget: variants of `mini.yaml`, several seeds each.

    python -m zsderm.benchmarks.experiments.pretraining_ablation --family targets --data-root DATA --runs RUNS \\
        --output docs/pretraining_targets.json --document MODEL_CARD.md

trains the recipe of a configuration once a variant and seed, with the same images in the same order for every variant
of a seed, and asks each encoder for the classes of the evaluation sets, by class names and with the knowledge base.
There are four families: `losses` (the parts of MAKE, one after the other), `targets` (what counts as a right answer),
`cameras` (what is done to the images, each effect alone and all together) and `towers` (image tower and size). But for
the first, no image of ISIC 2017 or of the ISIC archive is trained with, so that all of `isic2017` is a source that the
encoder never saw; of `onychomycosis` the dev split is another hospital in any case.

Runs that are finished are not made again and one that was stopped goes on, so the command can be given once more at any
time, with other seeds too; several processes may share the seeds between them. Prints Markdown; --document puts it
between the lines <!-- ablation FAMILY --> and <!-- end of ablation FAMILY --> of a page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import yaml

from zsderm import KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.experiments.wordings import wordings_table
from zsderm.benchmarks.options import data_root_option, document_option, output_option
from zsderm.benchmarks.pages import publish
from zsderm.metrics import evaluate
from zsderm.pretrain import run

CONFIG = Path(__file__).parents[2] / "pretrain" / "configs" / "mini.yaml"
WITHOUT_EFFECTS: dict[str, Any] = {
    "augmentation": {"crop_scale": [0.5, 1.0]},
    "preprocess_cfg.mode": "RGB",
    "average": 0.0,
}
STRONG = {"crop_scale": [0.35, 1.0], "quarter_turns": True}
# The small budget begins with a low sigma for good: at 0.3 the local loss would not begin within so few steps.
LOSSES: dict[str, dict[str, Any]] = {
    "plain contrast": {"captions": ["caption"], "lambda_s": 0.0, "guided_weights": False},
    "+ multi-aspect": {"lambda_s": 0.0, "guided_weights": False},
    "+ local alignment": {"guided_weights": False},
    "+ weights": {},
}
TARGETS: dict[str, dict[str, Any]] = {
    name: {**WITHOUT_EFFECTS, "targets": name} for name in ("own", "label", "ontology")
}
EFFECTS: dict[str, dict[str, Any]] = {
    "white balance": {"white_balance": 0.12},
    "resolution": {"resolution_probability": 0.7},
    "JPEG": {"jpeg_probability": 0.5},
    "vignette": {"vignette_probability": 0.1},
    "hair": {"hair_probability": 0.1},
    "crops to 35 %, quarter turns": STRONG,
}
CAMERAS: dict[str, dict[str, Any]] = {
    "no effects": WITHOUT_EFFECTS,
    **{
        name: {**WITHOUT_EFFECTS, "augmentation": {**WITHOUT_EFFECTS["augmentation"], **effect}}
        for name, effect in EFFECTS.items()
    },
    "shades of grey": {**WITHOUT_EFFECTS, "preprocess_cfg.mode": "RGB, shades of grey 6"},
    "running mean of the weights": {**WITHOUT_EFFECTS, "average": 0.99},
    "all effects": {"preprocess_cfg.mode": "RGB"},
    "all effects, shades of grey": {},
}
TOWERS: dict[str, dict[str, Any]] = {
    f"lite{number}, {pixels} px": {
        "model_cfg.vision_cfg.timm_model_name": f"tf_efficientnet_lite{number}",
        "image_start": f"efficientnet-lite{number}",
        "model_cfg.vision_cfg.image_size": pixels,
        "preprocess_cfg.size": pixels,
    }
    for number, pixels in ((0, 160), (0, 192), (1, 192), (2, 192), (0, 224), (2, 224))
}
FAMILIES = {"losses": LOSSES, "targets": TARGETS, "cameras": CAMERAS, "towers": TOWERS}
UNSEEN = ("isic/index.csv", "isic2017/index.csv")  # sources that only the family `losses` trains with
# Where each set is, and which part of it is asked.
SETS = {"pad": ("pad", "dev"), "ham10000": ("ham10000", "dev"), "nails": ("onychomycosis/index.csv", "dev")}
UNSEEN_SETS = {"isic2017": ("isic2017/index.csv", "all")}
METHODS = ("class-name", "knowledge")
WORDED = ("pad", "ham10000")  # sets that are also asked for in other words
FIGURES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_auroc": "AUROC",
    "calibration_error": "calibration error",
}
WARM_UP_SHARE = 0.1  # of the steps


def settings_of(
    config: Path, family: str, variant: str, seed: int, epochs: int, samples: int, pixels: int
) -> dict[str, Any]:
    """The settings that make a run of a variant out of a recipe.

    Args:
        config: the recipe.
        family: of FAMILIES.
        variant: of the family.
        seed: of everything that is drawn.
        epochs: of the run.
        samples: images drawn in an epoch.
        pixels: side of the square that the image tower sees, where the variant does not say.
    """
    recipe = yaml.safe_load(config.read_text(encoding="utf-8"))
    small = {"batch_size": 64, "learning_rate": 3e-4, "head_learning_rate": 1e-3}
    steps = epochs * (samples // small["batch_size"])
    budget = {"epochs": epochs, "samples_per_epoch": samples, "warm_up_steps": max(1, round(WARM_UP_SHARE * steps))}
    tower = {
        "model_cfg.vision_cfg.timm_model_name": "tf_efficientnet_lite0",
        "image_start": "efficientnet-lite0",
        "model_cfg.vision_cfg.image_size": pixels,
        "preprocess_cfg.size": pixels,
    }
    chosen: dict[str, Any] = {
        **small,
        **budget,
        **tower,
        "average": 0.99,
        "early_sigma": 0.1,
        "early_sigma_epochs": epochs,
        "seed": seed,
        "evaluate": [],
        "tensorboard": False,
        "checkpoint_every": 0,
    }
    if family != "losses":
        chosen["train"] = [source for source in recipe["train"] if source["table"] not in UNSEEN]
    return {**chosen, **FAMILIES[family][variant]}


def figures_of(encoder_folder: Path, sets: Mapping[str, tuple[str, str]], data_root: Path) -> list[dict[str, Any]]:
    """What an encoder makes of some sets: a row a set and method, with the names of FIGURES."""
    encoder = load_encoder(f"local-dir:{encoder_folder}")
    cache = encoder_folder.parent / "embeddings"
    rows = []
    for name, (dataset, split) in sets.items():
        where = str(data_root / dataset) if dataset.endswith(".csv") else dataset
        images = load(where, data_root, split)
        for method in METHODS:
            classifier = ZeroShotClassifier.from_pretrained(
                encoder, classes=images.classes, method=method, views=1, cache=cache
            )
            predictions = classifier.predict(images.images)
            metrics = evaluate(images.labels, predictions.probabilities, resamples=1)
            told = {"dataset": name, "method": method, "n": len(images)}
            rows.append({**told, **{figure: round(float(getattr(metrics, figure)), 4) for figure in FIGURES}})
    return rows


def worded_figures(encoder_folder: Path, data_root: Path) -> list[dict[str, Any]]:
    """Mean and worst figures of an encoder over the wordings of benchmarks/wordings.json, by class names."""
    encoder = load_encoder(f"local-dir:{encoder_folder}")
    cache = encoder_folder.parent / "embeddings"
    rows = wordings_table(encoder, data_root, WORDED, ("class-name",), ("known",), cache=cache)
    return [
        {
            "dataset": f"{row['dataset']}, {which} wording",
            "method": "class-name",
            "n": row["n"],
            "accuracy": row[f"accuracy_{which}"],
            "balanced_accuracy": row[f"balanced_accuracy_{which}"],
        }
        for row in rows
        for which in ("mean", "worst")
    ]


def measured(
    folder: Path,
    config: Path,
    data_root: Path,
    settings: Mapping[str, Any],
    sets: Mapping[str, tuple[str, str]],
    *,
    worded: bool = False,
) -> list[dict[str, Any]]:
    """The figures of one run, trained where it is not yet; they are kept in its folder."""
    kept = folder / "figures.json"
    if not kept.is_file():
        encoder = run(config, folder, data_root, settings)
        log = pd.read_csv(folder / "log.csv")
        cost = {"seconds": round(float(log["seconds"].sum()), 1), "loss": float(log["loss"].iloc[-1])}
        found = figures_of(encoder, sets, data_root)
        found += worded_figures(encoder, data_root) if worded else []
        rows = [{**row, **cost} for row in found]
        with atomic_file(kept) as draft:
            draft.write_text(json.dumps({"settings": settings, "figures": rows}, indent=1) + "\n", encoding="utf-8")
    content: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    if content["settings"] != settings:
        raise click.ClickException(f"{folder} holds a run with other settings. Choose another --runs.")
    return list(content["figures"])


def markdown(rows: list[dict[str, Any]]) -> str:
    """A table a method: accuracy and balanced accuracy in percent, mean over the seeds with the least and greatest."""
    frame = pd.DataFrame(rows)
    parts = []
    for method, part in frame.groupby("method", sort=False):
        sets = list(dict.fromkeys(part["dataset"]))
        heads = [f"{method}", "seeds", *sets, "mean of the sets, balanced", "calibration error"]
        lines = ["| " + " | ".join(heads) + " |", "|---|--:" + "|---" * (len(sets) + 2) + "|"]
        for variant, runs in part.groupby("variant", sort=False):
            cells = [_cell(runs[runs["dataset"] == name]) for name in sets]
            plain = runs[~runs["dataset"].str.contains("wording")]
            by_seed = plain.groupby("seed")["balanced_accuracy"].mean() * 100
            spread = f"{by_seed.mean():.1f} ({by_seed.min():.1f} to {by_seed.max():.1f})"
            error = f"{plain['calibration_error'].mean():.3f}"
            row = [str(variant), str(runs["seed"].nunique()), *cells, spread, error]
            lines.append("| " + " | ".join(row) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _cell(runs: pd.DataFrame) -> str:
    accuracy, balanced = runs["accuracy"] * 100, runs["balanced_accuracy"] * 100
    if not len(runs) or np.isnan(accuracy).all():
        return ""
    return f"{accuracy.mean():.1f} / {balanced.mean():.1f} ({balanced.min():.1f} to {balanced.max():.1f})"


@click.command(help=__doc__)
@data_root_option
@click.option("--family", type=click.Choice(list(FAMILIES)), default="losses", show_default=True, help="Of variants.")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), default=CONFIG, help="The recipe.")
@click.option("--runs", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the runs.")
@click.option("--seed", "seeds", type=int, multiple=True, default=(1, 2, 3), show_default=True, help="May repeat.")
@click.option("--variant", "variants", multiple=True, help="Of the family; may repeat. Default: all.")
@click.option("--epochs", default=2, show_default=True)
@click.option("--samples", default=7200, show_default=True, help="Images drawn in an epoch.")
@click.option("--pixels", default=128, show_default=True, help="Side of the square that the image tower sees.")
@click.option("--precision", default="float32", show_default=True, help="Of the towers; bfloat16 where it is fast.")
@click.option("--workers", default=1, show_default=True, help="Processes that decode images.")
@output_option
@document_option
def main(
    data_root: Path,
    family: str,
    config: Path,
    runs: Path,
    seeds: tuple[int, ...],
    variants: tuple[str, ...],
    epochs: int,
    samples: int,
    pixels: int,
    precision: str,
    workers: int,
    output: Path | None,
    document: Path | None,
) -> None:
    """Train what is not trained, ask what is not asked, and print the table."""
    known = FAMILIES[family]
    if unknown := [name for name in variants if name not in known]:
        raise click.BadParameter(f"{unknown[0]!r} is none of: {', '.join(known)}", param_hint="--variant")
    sets = SETS if family == "losses" else {**SETS, **UNSEEN_SETS}
    rows = []
    for seed in seeds:
        for variant in variants or known:
            folder = runs / f"{family}-{variant.lstrip('+ ').replace(' ', '-').replace(',', '')}-{seed}"
            settings = settings_of(config, family, variant, seed, epochs, samples, pixels)
            settings |= {"precision": precision, "workers": workers}
            told = {"family": family, "variant": variant, "seed": seed}
            found = measured(folder, config, data_root, settings, sets, worded=family == "targets")
            rows += [{**told, **row} for row in found]
    content = {
        "epochs": epochs,
        "samples_per_epoch": samples,
        "pixels": pixels,
        "knowledge": KnowledgeBase.load("dermatology").checksum,
        "figures": rows,
    }
    publish({f"ablation {family}": markdown(rows)}, content, output, document)


if __name__ == "__main__":
    main()
