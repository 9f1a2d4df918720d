"""How many planted errors an audit ranks first: labels that were swapped, and pictures that show no skin.

    python -m zsderm.benchmarks.experiments.label_errors --data-root DATA --output docs/label_errors.json \\
        --document docs/audit.md

Prints Markdown, and puts it between "<!-- label errors -->" and "<!-- end of label errors -->" of a page.

For each set and seed, 5 % of the labels are replaced and ten foreign pictures are added: five that come with
scikit-learn and matplotlib (a temple, a flower, a portrait, a drawing, a logo) and five drawn from the seed (noise, a
page of text, a chart, a chessboard, a gradient). The new label is any other class ("any"), or another class as often as
it occurs in the set ("as common"). Labels are judged by probabilities of a classifier that is fitted to the embeddings
of other patients or lesions, of the zero-shot classifier, and of the mean of both. Foreign pictures are ranked by how
like their nearest others they are, and by how like the names of the classes. The labels of the sets have errors of
their own, so a label that counts as a miss need not be right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import matplotlib
import numpy as np
import sklearn.datasets
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from sklearn.metrics import roc_auc_score

from zsderm import ZeroShotClassifier, load_encoder
from zsderm.benchmarks.options import (
    cache_dir_option,
    data_root_option,
    document_option,
    model_option,
    output_option,
    split_option,
)
from zsderm.benchmarks.pages import publish
from zsderm.calibration import familiarity
from zsderm.image_table import ImageTable
from zsderm.tasks.audit import ImageSet, audit
from zsderm.tasks.audit.cross_fitting import cross_fitted, joined
from zsderm.tasks.audit.label_errors import label_doubts
from zsderm.tasks.audit.off_topic import familiarities

SETS = {"pad": "patient_id", "ham10000": "lesion_id"}
SHARE, FIRST = 0.05, 20
SWAPS = ("any", "as common")
LETTERS = list("abcdefghijklmnopqrstuvwxyz")


@click.command(help=__doc__)
@data_root_option
@model_option
@split_option
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(1))
@cache_dir_option
@output_option
@document_option
def main(
    data_root: Path,
    model: str,
    split: str,
    seeds: int,
    cache_dir: Path | None,
    output: Path | None,
    document: Path | None,
) -> None:
    """Plant errors in every set, and print how many are found first."""
    encoder = load_encoder(model)
    sets = {name: _measure(encoder, data_root, name, split, seeds, cache_dir) for name in SETS}
    content = {"encoder": encoder.fingerprint, "model": model, "split": split, "seeds": seeds, "sets": sets}
    publish({"label errors": "\n".join(markdown(content))}, content, output, document)


def _measure(
    encoder: Any, data_root: Path, name: str, split: str, seeds: int, cache_dir: Path | None
) -> dict[str, Any]:
    table = ImageTable.read(data_root / name / "index.csv").where("split", split)
    names = table.column("label")
    classes = sorted(set(names))
    true = np.array([classes.index(label) for label in names])
    groups = joined(len(true), [table.column(SETS[name])])
    classifier = ZeroShotClassifier.from_pretrained(encoder, classes=classes, cache=cache_dir)
    found = audit(ImageSet(name, tuple(table.files)), encoder=encoder, cache=cache_dir)
    features = np.asarray(found.features)  # (N, D)
    zero_shot = classifier.predict([str(file) for file in table.files]).probabilities.numpy().astype(np.float64)
    count = round(SHARE * len(true))
    labels = {
        swap: [
            _found(features, zero_shot, true, swapped(true, count, swap, seed), groups, seed) for seed in range(seeds)
        ]
        for swap in SWAPS
    }
    texts = encoder.encode_texts(classes).numpy()
    foreign = [_off_topic(encoder, features, texts, seed) for seed in range(seeds)]
    return {"images": len(true), "classes": len(classes), "swapped": count, "labels": labels, "foreign": foreign}


def swapped(true: NDArray[np.int64], count: int, swap: str, seed: int) -> NDArray[np.int64]:
    """(N,) labels of which so many are replaced by another class, see the docstring of the module."""
    rng = np.random.default_rng(seed)
    weights = np.bincount(true).astype(float) if swap == "as common" else np.ones(true.max() + 1)
    labels = true.copy()
    for row in rng.choice(len(true), count, replace=False):
        others = np.where(np.arange(len(weights)) == true[row], 0, weights)
        labels[row] = rng.choice(len(weights), p=others / others.sum())
    return labels


def _found(
    features: NDArray[np.float32],
    zero_shot: NDArray[np.float64],
    true: NDArray[np.int64],
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    seed: int,
) -> dict[str, dict[str, int]]:
    """For each source of probabilities: planted errors among the first 20, and among the labels that are doubtful."""
    fitted = cross_fitted(features, labels, groups, zero_shot.shape[1], seed)
    wrong, found = labels != true, {}
    for source, rows in {"fitted": fitted, "zero-shot": zero_shot, "mean": (fitted + zero_shot) / 2}.items():
        doubts = label_doubts(labels, rows)
        order = np.argsort(doubts.quality, kind="stable")[:FIRST]  # NaN, not judged, comes last
        found[source] = {
            "first": int(wrong[order].sum()),
            "doubtful": int(doubts.doubtful.sum()),
            "doubtful_and_wrong": int((wrong & doubts.doubtful).sum()),
        }
    return found


def _off_topic(
    encoder: Any, features: NDArray[np.float32], texts: NDArray[np.float32], seed: int
) -> dict[str, dict[str, float]]:
    """For each measure of familiarity: foreign pictures among the first 20, and the area under the ROC curve."""
    strangers = encoder.encode_images(foreign_pictures(seed)).numpy()
    rows = np.concatenate([features, strangers])
    is_foreign = np.arange(len(rows)) >= len(features)
    measures = {
        "nearest others": familiarities(rows, np.ones(len(rows), bool)),
        "names of classes": familiarity(rows @ texts.T, "energy", encoder.temperature).numpy(),
    }
    return {
        name: {
            "first": int(is_foreign[np.argsort(values, kind="stable")[:FIRST]].sum()),
            "auroc": float(roc_auc_score(is_foreign, -values)),
        }
        for name, values in measures.items()
    }


def foreign_pictures(seed: int) -> list[Image.Image]:
    """Ten pictures without skin, or with a face far away; five of them are the same for every seed."""
    photographs = Path(sklearn.datasets.__file__).parent / "images"
    samples = Path(matplotlib.get_data_path()) / "sample_data"
    shipped = [photographs / "china.jpg", photographs / "flower.jpg"]
    shipped += [samples / name for name in ("grace_hopper.jpg", "Minduka_Present_Blue_Pack.png", "logo2.png")]
    return [Image.open(path).convert("RGB") for path in shipped] + _drawn(np.random.default_rng(seed))


def _drawn(rng: np.random.Generator) -> list[Image.Image]:
    noise = rng.integers(0, 256, (200, 300, 3), np.uint8)
    page, chart = Image.new("RGB", (300, 400), "white"), Image.new("RGB", (300, 200), "white")
    for line in range(24):
        words = ["".join(rng.choice(LETTERS, rng.integers(2, 9))) for _ in range(6)]
        ImageDraw.Draw(page).text((20, 12 + 15 * line), " ".join(words), fill="black")
    for bar, height in enumerate(rng.integers(10, 170, 8).tolist()):
        colour = tuple(rng.integers(0, 256, 3).tolist())
        ImageDraw.Draw(chart).rectangle((20 + 33 * bar, 190 - height, 42 + 33 * bar, 190), fill=colour)
    side = int(rng.integers(6, 14))
    board = np.kron(np.indices((side, side)).sum(axis=0) % 2 * 255, np.ones((24, 24))).astype(np.uint8)
    dark, light = rng.integers(0, 256, (2, 3)).astype(float)
    gradient = np.linspace(dark, light, 256).astype(np.uint8)[None].repeat(200, axis=0)  # (200, 256, 3)
    pictures = [Image.fromarray(noise), page, chart, Image.fromarray(board), Image.fromarray(gradient)]
    return [picture.convert("RGB") for picture in pictures]


def markdown(content: dict[str, Any]) -> Iterator[str]:
    """Both tables; means over the seeds, with the smallest and the largest."""
    seeds = content["seeds"]
    yield (
        "Written by `python -m zsderm.benchmarks.experiments.label_errors`: "
        f"{content['model']} ({content['encoder']}), `{content['split']}` splits, {seeds} seeds; means, with the "
        "smallest and the largest.\n"
    )
    yield "| set | new label | judged by | swapped | among the first 20 | by chance | doubtful | of these swapped |"
    yield "|---|---|---|--:|---|--:|--:|--:|"
    for name, measured in content["sets"].items():
        swaps, images = measured["swapped"], measured["images"]
        for swap, runs in measured["labels"].items():
            for source in runs[0]:
                first = _spread([run[source]["first"] for run in runs])
                doubtful = sum(run[source]["doubtful"] for run in runs)
                hits = sum(run[source]["doubtful_and_wrong"] for run in runs)
                yield (
                    f"| {name} ({images}) | {swap} | {source} | {swaps} | {first} | {FIRST * swaps / images:.1f} "
                    f"| {doubtful / seeds:.0f} | {hits / seeds:.1f} |"
                )
    yield "\n| set | ranked by likeness to | foreign | among the first 20 | by chance | AUROC |"
    yield "|---|---|--:|---|--:|---|"
    for name, measured in content["sets"].items():
        images, runs = measured["images"], measured["foreign"]
        for measure in runs[0]:
            first = _spread([run[measure]["first"] for run in runs])
            areas = _spread([run[measure]["auroc"] for run in runs], 3)
            yield f"| {name} ({images}) | {measure} | 10 | {first} | {FIRST * 10 / (images + 10):.1f} | {areas} |"


def _spread(values: Sequence[float], digits: int = 1) -> str:
    least = f"{min(values):.{digits}f} to {max(values):.{digits}f}" if digits > 1 else f"{min(values)} to {max(values)}"
    return f"{np.mean(values):.{digits}f} ({least})"


if __name__ == "__main__":
    main()
