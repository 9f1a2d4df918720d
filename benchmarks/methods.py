"""The methods side by side on real images: accuracy on the natural mix, and what refinement costs or gains elsewhere.

    python -m zsderm.benchmarks.methods --data-root DATA

DATA holds pad/ and ham10000/, each with an index.csv (filename, label, split). Without them the script says so. Image
embeddings are computed once and shared by all methods. Figures here are of the `dev` splits, on which the encoder was
chosen; they are parts of PAD-UFES-20 and HAM10000, so they cannot be set beside published figures on the whole sets.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd

from zsderm import KnowledgeBase, Predictions, ZeroShotClassifier, load_encoder
from zsderm.metrics import evaluate
from zsderm.pretrain import held_out

DATASETS = ("pad", "ham10000")
METHODS = ("class-name", "templates", "descriptions", "knowledge", "kpl")
SMALLEST_FOLDER = 5  # images; a folder of one class with fewer says little


@dataclass(frozen=True)
class Folder:
    """N images with their classes, and what kind of mix they are."""

    name: str
    images: tuple[str, ...]
    labels: tuple[str, ...]


def read_split(data_root: Path, dataset: str, split: str) -> Folder:
    """The images of one split of one data set."""
    table = pd.read_csv(data_root / dataset / "index.csv")
    table = table[table["split"] == split]
    paths = tuple(str(data_root / dataset / name) for name in table["filename"])
    return Folder("natural", paths, tuple(table["label"]))


def mixes(folder: Folder, seeds: int = 5) -> Iterator[Folder]:
    """The natural mix, class-balanced subsets, and one folder per class."""
    yield folder
    labels = np.array(folder.labels)
    classes, counts = np.unique(labels, return_counts=True)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        chosen = [rng.choice(np.flatnonzero(labels == c), size=counts.min(), replace=False) for c in classes]
        yield _part(folder, np.sort(np.concatenate(chosen)), f"balanced {seed}")
    for name, count in zip(classes, counts, strict=True):
        if count >= SMALLEST_FOLDER:
            yield _part(folder, np.flatnonzero(labels == name), f"only {name}")


@click.command(help=__doc__)
@click.option("--data-root", type=click.Path(file_okay=False, path_type=Path), envvar="ZSDERM_DATA", required=True)
@click.option("--model", default="zsderm-mini", show_default=True)
@click.option("--split", default="dev", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file with every figure.")
@click.option("--cache-dir", type=click.Path(file_okay=False, path_type=Path), help="Keeps image embeddings.")
def main(data_root: Path, model: str, split: str, output: Path | None, cache_dir: Path | None) -> None:
    """Print two tables as Markdown, and write every figure as JSON."""
    warnings.simplefilter("ignore")
    encoder = load_encoder(model)
    base = KnowledgeBase.load("dermatology")
    bases = {"": base, ", unseen wording": base.subset(lambda d: held_out(d.text))}
    figures: list[dict[str, object]] = []
    for dataset in DATASETS:
        if not (data_root / dataset / "index.csv").is_file():
            click.echo(f"{dataset}: no {data_root / dataset / 'index.csv'}, left out", err=True)
            continue
        folder = read_split(data_root, dataset, split)
        classes = sorted(set(folder.labels))
        classifiers = {
            f"{method}{wording}": ZeroShotClassifier.from_pretrained(
                encoder, classes=classes, knowledge=knowledge, method=method, cache=cache_dir
            )
            for wording, knowledge in bases.items()
            for method in METHODS
            if not wording or method not in ("class-name", "templates")
        }
        for mix in mixes(folder):
            for method, classifier in classifiers.items():
                predictions = classifier.predict(list(mix.images))
                figures.append({"dataset": dataset, "mix": mix.name, "method": method, **_figures(predictions, mix)})
    table = pd.DataFrame(figures)
    click.echo(_methods_table(table) + "\n\n" + _mixes_table(table))
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        draft = output.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(json.dumps({"encoder": encoder.fingerprint, "figures": figures}, indent=1), encoding="utf-8")
        draft.replace(output)


def _figures(predictions: Predictions, folder: Folder) -> dict[str, object]:
    true = [predictions.classes.index(label) for label in folder.labels]
    if folder.name == "natural":
        figures: dict[str, object] = dict(evaluate(true, predictions.probabilities.numpy()).to_dict())
    else:
        correct = np.array(predictions.labels) == np.array(folder.labels)
        figures = {"n": len(correct), "accuracy": float(correct.mean())}
    return {**figures, "used": predictions.method}


def _part(folder: Folder, rows: np.ndarray, name: str) -> Folder:
    return Folder(name, tuple(folder.images[r] for r in rows), tuple(folder.labels[r] for r in rows))


def _methods_table(figures: pd.DataFrame) -> str:
    lines = [
        "| data set | n | majority rate | method | accuracy (95 % interval) | balanced | macro-F1 | AUROC | ECE |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in figures[figures["mix"] == "natural"].itertuples():
        lines.append(
            f"| {row.dataset} | {row.n} | {row.majority_rate:.3f} | {row.method} "
            f"| {row.accuracy:.3f} ({row.accuracy_low:.3f}–{row.accuracy_high:.3f}) | {row.balanced_accuracy:.3f} "
            f"| {row.macro_f1:.3f} | {row.macro_auroc:.3f} | {row.calibration_error:.3f} |"
        )
    return "\n".join(lines)


def _mixes_table(figures: pd.DataFrame) -> str:
    """What kpl costs or gains against knowledge, in points of accuracy, mix by mix."""
    lines = ["| data set | mix | n | knowledge | kpl | difference (points) |", "|---|---|---|---|---|---|"]
    for (dataset, mix), rows in figures.groupby(["dataset", "mix"], sort=False):
        by_method = rows.set_index("method")
        before, after = (float(by_method.loc[method, "accuracy"]) for method in ("knowledge", "kpl"))
        note = "" if by_method.loc["kpl", "used"] == "kpl" else " (fell back)"
        count = by_method.loc["kpl", "n"]
        lines.append(
            f"| {dataset} | {mix} | {count} | {before:.3f} | {after:.3f} | {100 * (after - before):+.1f}{note} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
