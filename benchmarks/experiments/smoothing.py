"""What smoothing does to answers and to prediction sets, on four sources of images.

    python -m zsderm.benchmarks.experiments.smoothing --data-root DATA --cache-dir CACHE \\
        --output docs/smoothing.json --document docs/smoothing.md

DATA holds pad/, ham10000/, isic2017/ and onychomycosis/, each with an index.csv. A calibration is learned from a random
half of the images, divided by patient or lesion where these are known, and tried on folders of the other half: the
whole half, or folders of so many images. "apart" is what `zsderm classify --smooth` does: the labelled half and each
folder are smoothed each by itself. "together" smooths each folder with the labelled half and learns the calibration
anew, as LATA was published. --model may repeat: an encoder that was trained without a source says what happens on one
that it has never seen.

Prints Markdown; --document puts it between the lines <!-- smoothing --> and <!-- end of smoothing --> of a page.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from zsderm import FallbackWarning, ZeroShotClassifier, load_encoder
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.features import image_features
from zsderm.benchmarks.options import cache_dir_option, data_root_option, document_option, output_option, split_option
from zsderm.benchmarks.pages import publish
from zsderm.calibration import (
    conformal_sets,
    fit_calibration,
    scale_probabilities,
    unlabelled_temperature,
)
from zsderm.config import DEFAULT_MODEL, USUAL_SMOOTHING
from zsderm.encoders import Encoder
from zsderm.proxies import NEIGHBOURS, smooth_labels

SOURCES = ("pad", "ham10000", "isic2017", "onychomycosis")
GAMMAS = (0.1, 0.3, 1.0)
WIDER = 2 * NEIGHBOURS
SIZES = (5, 20, 50)  # of the folders that the other half is divided into; also the whole half
MOST_FOLDERS = 10  # of one half
COVERAGE = 0.9
FIRST_SEED = 1000  # the constants were chosen with the seeds from 0 on


@dataclass(frozen=True, eq=False)
class Folder:
    """The images of one source, as one encoder answers them without smoothing."""

    encoder: str
    source: str
    labels: torch.Tensor  # (N,) int64
    units: NDArray[np.object_]  # (N,) patients or lesions, or the images themselves
    features: torch.Tensor  # (N, D)
    alone: torch.Tensor  # (N, C) float32 probabilities

    @classmethod
    def of(cls, encoder: Encoder, model: str, data_root: Path, source: str, split: str, cache: Path | None) -> Folder:
        """Embed and answer one source."""
        table = data_root / source / "index.csv"
        listed = load(str(table), data_root, split)
        features = image_features(encoder, listed.images, cache)
        subject = ZeroShotClassifier.from_pretrained(encoder, classes=listed.classes, method="knowledge")
        texts, settings = subject.texts, subject.settings
        kept = texts.kept_for(features.mean(dim=0)[None], settings.k)
        scores = features @ texts.proxies(kept, settings.name_weight).T  # (N, C)
        temperature = unlabelled_temperature(
            encoder.temperature, scores, features, texts.features[kept], texts.class_of[kept]
        )
        alone = np.array([f"row {row}" for row in range(len(listed))], dtype=object)
        units = alone if listed.units is None else np.where(listed.units == "", alone, listed.units)
        answers = torch.softmax(scores / temperature, dim=1)
        return cls(model, source, torch.from_numpy(listed.labels).long(), units, features, answers)

    def smoothed(self, rows: NDArray[np.int64], gamma: float, neighbours: int = NEIGHBOURS) -> torch.Tensor:
        """(n, C) answers for some images that are a folder of their own."""
        return smooth_labels(self.features[rows], self.alone[rows], gamma, neighbours=neighbours)


def answer_rows(folder: Folder) -> Iterator[dict[str, Any]]:
    """Accuracy, balanced accuracy and loss of the whole folder."""
    every = np.arange(len(folder.labels))
    for gamma in (0.0, *GAMMAS):
        found = folder.smoothed(every, gamma)
        right = (found.argmax(dim=1) == folder.labels).double().numpy()
        own = found.gather(1, folder.labels[:, None]).clamp_min(1e-12)
        yield {
            "encoder": folder.encoder,
            "source": folder.source,
            "n": len(every),
            "gamma": gamma,
            "accuracy": 100 * right.mean(),
            "balanced": 100 * pd.Series(right).groupby(folder.labels.numpy()).mean().mean(),
            "loss": -own.log().mean().item(),
            "changed": 100 * (found.argmax(dim=1) != folder.alone.argmax(dim=1)).double().mean().item(),
        }


def divisions(folder: Folder, repeats: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The rows of a random half of the units, and the others in a random order, again and again."""
    names, owner = np.unique(folder.units.astype(str), return_inverse=True)
    for seed in range(FIRST_SEED, FIRST_SEED + repeats):
        rng = np.random.default_rng(seed)
        learns = (rng.permutation(len(names)) < len(names) // 2)[owner]
        yield np.flatnonzero(learns), rng.permutation(np.flatnonzero(~learns))


def folders_of(rows: NDArray[np.int64], size: int | None) -> list[NDArray[np.int64]]:
    """All rows as one folder, or some folders of so many of them."""
    if size is None:
        return [rows]
    starts = range(0, len(rows) - size + 1, size)
    return [rows[start : start + size] for start in starts][:MOST_FOLDERS]


def set_rows(folder: Folder, repeats: int) -> Iterator[dict[str, Any]]:
    """Coverage and size of sets, for every way to smooth, size of folder and division."""
    for number, (learn, others) in enumerate(divisions(folder, repeats)):
        learned = {key: folder.smoothed(learn, *key) for key in _kinds()}
        for size in (None, *SIZES):
            folders = folders_of(others, size)
            for key, labelled in learned.items():
                gamma, neighbours = key
                for way in ("apart",) if gamma == 0 else ("apart", "together"):
                    if way == "together" and gamma != USUAL_SMOOTHING:
                        continue
                    found = []
                    for rows in folders:
                        if way == "apart":
                            answers = labelled, folder.smoothed(rows, gamma, neighbours)
                        else:
                            both = folder.smoothed(np.concatenate([learn, rows]), gamma, neighbours)
                            answers = both[: len(learn)], both[len(learn) :]
                        found.append(sets_of(*answers, folder.labels[learn], folder.labels[rows]))
                    if found:
                        covered, classes, loss = np.mean(found, axis=0)
                        yield {
                            "encoder": folder.encoder,
                            "source": folder.source,
                            "division": number,
                            "folder": size or 0,
                            "way": way,
                            "gamma": gamma,
                            "neighbours": neighbours,
                            "coverage": covered,
                            "classes": classes,
                            "loss": loss,
                        }


def sets_of(
    learned: torch.Tensor, new: torch.Tensor, true: torch.Tensor, true_of_new: torch.Tensor
) -> tuple[float, float, float]:
    """Coverage, mean number of classes and calibrated loss of new images, calibrated by labelled ones."""
    record = fit_calibration(learned.clamp_min(1e-30).log(), true, coverage=COVERAGE)
    assert record.conformal is not None, "a coverage was asked for"
    found = scale_probabilities(new.clamp_min(1e-30).log(), record.temperature)
    sets, own = conformal_sets(found, record.conformal), true_of_new[:, None]
    loss = -found.gather(1, own).clamp_min(1e-12).log().mean().item()
    return sets.gather(1, own).double().mean().item(), sets.sum(dim=1).double().mean().item(), loss


def _kinds() -> list[tuple[float, int]]:
    """Gamma and neighbours, first without smoothing."""
    return [(0.0, NEIGHBOURS), *((gamma, NEIGHBOURS) for gamma in GAMMAS), (USUAL_SMOOTHING, WIDER)]


def markdown(answers: pd.DataFrame, sets: pd.DataFrame, split: str) -> str:
    """Three tables: answers, sets by gamma, and sets by size of the folder."""
    repeats = sets["division"].nunique()
    lines = [
        f"Written by `python -m zsderm.benchmarks.experiments.smoothing`; `{split}` splits, one view of each image, "
        "wording `knowledge`, not refined.\n",
        "Answers of the whole folder: accuracy / balanced accuracy in percent, mean negative log-likelihood in nats; "
        "in brackets the share of answers that changed.\n",
        "| encoder | images (n) | not smoothed | " + " | ".join(f"gamma {gamma:g}" for gamma in GAMMAS) + " |",
        "|---" * (3 + len(GAMMAS)) + "|",
    ]
    for (encoder, source, count), part in answers.groupby(["encoder", "source", "n"], sort=False):
        cells = [
            f"{row.accuracy:.1f} / {row.balanced:.1f}, {row.loss:.3f}"
            + (f" ({row.changed:.1f} %)" if row.gamma else "")
            for row in part.itertuples()
        ]
        lines.append(f"| {encoder} | {source} ({count}) | " + " | ".join(cells) + " |")
    means = sets.groupby(["encoder", "source", "folder", "way", "gamma", "neighbours"], sort=False).mean()
    lines += [
        f"\nPrediction sets that should hold the true class in {100 * COVERAGE:.0f} % of images: coverage in percent, "
        f"classes in a set on average; the other half as one folder, mean of {repeats} divisions. In brackets what "
        "smoothing adds to the size of a set, with the standard error over divisions.\n",
        "| encoder | images | not smoothed | " + " | ".join(f"gamma {gamma:g}" for gamma in GAMMAS) + " |",
        "|---" * (3 + len(GAMMAS)) + "|",
    ]
    for encoder, source in answers.groupby(["encoder", "source"], sort=False).groups:
        plain = _of(sets, encoder, source, 0, "apart", 0.0, NEIGHBOURS)
        cells = [f"{100 * plain['coverage'].mean():.1f}, {plain['classes'].mean():.2f}"]
        for gamma in GAMMAS:
            one = _of(sets, encoder, source, 0, "apart", gamma, NEIGHBOURS)
            more = one["classes"].to_numpy() / plain["classes"].to_numpy() - 1
            error = more.std(ddof=1) / len(more) ** 0.5 if len(more) > 1 else np.nan
            cells.append(
                f"{100 * one['coverage'].mean():.1f}, {one['classes'].mean():.2f} "
                f"({100 * more.mean():+.1f} % ± {100 * error:.1f})"
            )
        lines.append(f"| {encoder} | {source} | " + " | ".join(cells) + " |")
    ways = [("apart", 0.0, NEIGHBOURS)] + [
        (way, USUAL_SMOOTHING, k) for k in (NEIGHBOURS, WIDER) for way in ("apart", "together")
    ]
    names = ["not smoothed"] + [f"{way}, {k} neighbours" for way, _, k in ways[1:]]
    lines += [
        f"\nThe same with gamma {USUAL_SMOOTHING:g} by the size of the folder that is classified (up to {MOST_FOLDERS} "
        "folders of each division):\n",
        "| encoder | images | folder | " + " | ".join(names) + " |",
        "|---" * (3 + len(names)) + "|",
    ]
    for encoder, source in answers.groupby(["encoder", "source"], sort=False).groups:
        for size in (*SIZES, 0):
            cells = []
            for key in ways:
                where = (encoder, source, size, *key)
                if where in means.index:
                    row = means.loc[where]
                    cells.append(f"{100 * row['coverage']:.1f}, {row['classes']:.2f}")
            if cells:
                lines.append(f"| {encoder} | {source} | {size or 'half'} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _of(
    sets: pd.DataFrame, encoder: str, source: str, size: int, way: str, gamma: float, neighbours: int
) -> pd.DataFrame:
    """The rows of one way to smooth, one for each division in their order."""
    asked = {"encoder": encoder, "source": source, "folder": size, "way": way, "gamma": gamma, "neighbours": neighbours}
    which = np.logical_and.reduce([sets[name] == value for name, value in asked.items()])
    return sets[which].sort_values("division")


@click.command(help=__doc__)
@data_root_option
@click.option(
    "--model", "models", multiple=True, default=(DEFAULT_MODEL,), show_default=True, help="NAME or NAME=WHERE."
)
@split_option
@click.option("--repeats", default=40, show_default=True, type=click.IntRange(min=1), help="Random halves.")
@cache_dir_option
@output_option
@document_option
def main(
    data_root: Path,
    models: tuple[str, ...],
    split: str,
    repeats: int,
    cache_dir: Path | None,
    output: Path | None,
    document: Path | None,
) -> None:
    """Measure, and print the tables."""
    warnings.simplefilter("ignore", FallbackWarning)  # few images: sets then hold every class, as the tables show
    answers: list[dict[str, Any]] = []
    sets: list[dict[str, Any]] = []
    fingerprints = {}
    for model in models:
        name, _, where = model.partition("=")
        encoder = load_encoder(where or name)
        fingerprints[name] = encoder.fingerprint
        for source in SOURCES:
            if not (data_root / source / "index.csv").is_file():
                click.echo(f"{source}: not in {data_root}, left out", err=True)
                continue
            folder = Folder.of(encoder, name, data_root, source, split, cache_dir)
            answers += answer_rows(folder)
            sets += set_rows(folder, repeats)
    measured = pd.DataFrame(sets)
    keys = ["encoder", "source", "folder", "way", "gamma", "neighbours"]
    summary = measured.groupby(keys, sort=False)[["coverage", "classes", "loss"]].agg(["mean", "std"]).reset_index()
    summary.columns = [" ".join(filter(None, names)) for names in summary.columns]
    content = {
        "encoders": fingerprints,
        "split": split,
        "divisions": repeats,
        "first_seed": FIRST_SEED,
        "answers": answers,
        "sets": summary.to_dict("records"),
    }
    publish({"smoothing": markdown(pd.DataFrame(answers), measured, split)}, content, output, document)


if __name__ == "__main__":
    main()
