"""How often a disease is found that the encoder was not trained with, by its name and by its descriptions.

    zsderm pretrain --config pretrain/configs/mini.yaml --data-root DATA --output RUN \\
        --set 'leave_out=["dermatofibroma", "vascular lesion"]'
    python -m zsderm.benchmarks.experiments.unseen_diseases --model local-dir:RUN/encoder --data-root DATA \\
        --disease dermatofibroma --disease "vascular lesion" --output docs/unseen_diseases.json

Prints Markdown. Images are classified among all classes of their data set. For each disease: recall, that is the share
of its images that are named so; the share that has it among the first two; and the area under the ROC curve of its
probability, which does not depend on how the classes are weighed against each other. Chance is one in the number of
classes for recall and 0.5 for the area. Images of the diseases come from every split, because none of them was trained
on; all others, and the accuracy, from the split that is named. Intervals are 95 % bootstrap intervals over images.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
import numpy as np
from sklearn.metrics import roc_auc_score

from zsderm import Predictions, ZeroShotClassifier, load_encoder
from zsderm.benchmarks.options import cache_dir_option, data_root_option, split_option
from zsderm.image_table import ImageTable
from zsderm.metrics import evaluate

METHODS: dict[str, dict[str, Any]] = {
    "class-name": {"method": "class-name"},
    "templates": {"method": "templates"},
    "descriptions": {"method": "descriptions"},
    "knowledge, descriptions alone": {"method": "knowledge", "name_weight": 0.0},
    "knowledge": {"method": "knowledge"},
}
RESAMPLES = 2000


@click.command(help=__doc__)
@click.option("--model", required=True, help="An encoder that was trained without the diseases.")
@data_root_option
@click.option("--disease", "diseases", multiple=True, required=True, help="A label the encoder never saw; may repeat.")
@click.option("--dataset", default="ham10000", show_default=True)
@split_option
@cache_dir_option
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file with every figure.")
def main(
    model: str,
    data_root: Path,
    diseases: tuple[str, ...],
    dataset: str,
    split: str,
    cache_dir: Path | None,
    output: Path | None,
) -> None:
    """Measure every method on one split, and print what it makes of the diseases."""
    table = ImageTable.read(data_root / dataset / "index.csv")
    all_labels, splits = np.array(table.column("label")), np.array(table.column("split"))
    chosen = (splits == split) | np.isin(all_labels, diseases)
    labels, classes = all_labels[chosen], sorted(set(all_labels[chosen]))
    in_split = splits[chosen] == split
    if unknown := sorted(set(diseases) - set(classes)):
        raise click.BadParameter(f"{', '.join(unknown)}: not among {', '.join(classes)}", param_hint="--disease")
    encoder = load_encoder(model)
    paths = [str(table.files[row]) for row in np.flatnonzero(chosen)]
    rows: list[dict[str, Any]] = []
    for name, how in METHODS.items():
        subject = ZeroShotClassifier.from_pretrained(encoder, classes=classes, views=1, cache=cache_dir, **how)
        predictions = subject.predict(paths)
        true = np.array([classes.index(label) for label in labels])
        whole = evaluate(true[in_split], predictions.probabilities.numpy()[in_split])
        overall = {"accuracy": whole.accuracy, "balanced_accuracy": whole.balanced_accuracy}
        rows += [
            {"method": name, "disease": disease, **_found(predictions, labels, disease), **overall}
            for disease in diseases
        ]
    click.echo(markdown(rows, len(classes)))
    if output:
        _write(output, {"encoder": encoder.fingerprint, "dataset": dataset, "split": split, "figures": rows})


def _found(predictions: Predictions, labels: np.ndarray, disease: str) -> dict[str, Any]:
    column = predictions.classes.index(disease)
    ranked = (-predictions.probabilities.numpy()).argsort(axis=1)
    true = labels == disease
    hits, second = ranked[true, 0] == column, (ranked[true, :2] == column).any(axis=1)
    rng = np.random.default_rng(0)
    low, high = np.quantile(rng.binomial(len(hits), hits.mean(), RESAMPLES) / len(hits), [0.025, 0.975])
    return {
        "n": int(true.sum()),
        "recall": float(hits.mean()),
        "recall_low": float(low),
        "recall_high": float(high),
        "top2": float(second.mean()),
        "auroc": float(roc_auc_score(true, predictions.probabilities.numpy()[:, column])),
    }


def markdown(rows: list[dict[str, Any]], class_count: int) -> str:
    """The figures as a table, one line per disease and method."""
    lines = [
        f"| disease (never seen; chance {1 / class_count:.3f}) | n | method | recall (95 % interval) | among first two "
        "| AUROC | accuracy / balanced, all classes |",
        "|---" * 7 + "|",
    ]
    for row in sorted(rows, key=lambda row: row["disease"]):
        lines.append(
            f"| {row['disease']} | {row['n']} | {row['method']} "
            f"| {row['recall']:.3f} ({row['recall_low']:.3f}–{row['recall_high']:.3f}) | {row['top2']:.3f} "
            f"| {row['auroc']:.3f} | {row['accuracy']:.3f} / {row['balanced_accuracy']:.3f} |"
        )
    return "\n".join(lines)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    main()
