"""What a long class list costs, and what prior "home" brings back: other diseases are added to those of a data set.

    python -m zsderm.benchmarks.experiments.long_lists --data-root DATA --dataset pad --dataset ham10000 \\
        --dataset isic2017 --output docs/long_lists.json --document docs/unseen_diseases.md
    python -m zsderm.benchmarks.experiments.long_lists --model local-dir:FIRST --data-root DATA \\
        --dataset onychomycosis --split all --also melanoma --also nevus --also "seborrheic keratosis"

The diseases that are added are drawn at random from the knowledge base, of those that the encoder was never shown, so
that an image of the data set never shows one of them; the draws of a seed are nested. --also adds classes to every
list. Prints Markdown: accuracy with the default prior and with "home". --document puts it between the lines
<!-- long lists --> and <!-- end of long lists --> of a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from zsderm import KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.options import (
    cache_dir_option,
    data_root_option,
    document_option,
    model_option,
    output_option,
    split_option,
)
from zsderm.benchmarks.pages import publish
from zsderm.config import DEFAULT_KNOWLEDGE
from zsderm.encoders import Encoder
from zsderm.knowledge.shown import training_diagnoses

PRIORS = ("auto", "home")
ADDED = (0, 20, 50, 128)
PART = "long lists"


@dataclass(frozen=True)
class Line:
    """Accuracies in percent on one data set with so many classes added, mean over the draws."""

    data: str
    encoder: str
    images: int
    classes: int
    added: int
    draws: int
    auto: float
    home: float
    home_worst: float  # least change of "home" in a draw, points


def never_shown(knowledge: KnowledgeBase, diagnoses: Sequence[str], classes: Sequence[str]) -> list[str]:
    """The diseases of a base that neither the encoder was shown nor the list has, in the order of the base.

    Args:
        knowledge: all diseases that may be added.
        diagnoses: of the encoder's training.
        classes: of the list.
    """
    names = list(knowledge.diseases)
    shown = training_diagnoses(names, [*diagnoses, *classes], knowledge)
    return [name for name, of in zip(names, shown, strict=True) if not of]


def accuracies(
    encoder: Encoder, data: LabelledImages, classes: Sequence[str], cache: Path | str
) -> tuple[float, float]:
    """Accuracy in percent with each of PRIORS.

    Args:
        encoder: of images and texts.
        data: labelled images, whose classes are the first of the list.
        classes: the list.
        cache: folder that keeps embeddings.
    """
    right = []
    for prior in PRIORS:
        made = ZeroShotClassifier.from_pretrained(encoder, classes=classes, prior=prior, views=1, cache=cache)
        named = made.predict(list(data.images)).probabilities.numpy().argmax(axis=1)
        right.append(100 * float((named == data.labels).mean()))
    return right[0], right[1]


def markdown(lines: Sequence[Line]) -> str:
    """One row for each data set and number of classes added."""
    rows = [
        "| images | classes | others added | auto | home | change | worst of the draws |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    rows += [
        f"| {line.data} ({line.images}), encoder {line.encoder[:4]} | {line.classes} | {line.added} | {line.auto:.1f} "
        f"| {line.home:.1f} | {line.home - line.auto:+.1f} | {line.home_worst:+.1f} |"
        for line in lines
    ]
    return "\n".join(rows)


@click.command(help=__doc__)
@model_option
@data_root_option
@click.option("--dataset", "datasets", multiple=True, required=True, help="A folder of DATA; may repeat.")
@split_option
@click.option("--also", multiple=True, help="A class that is in every list; may repeat.")
@click.option("--draws", default=3, show_default=True, type=click.IntRange(min=1))
@cache_dir_option
@output_option
@document_option
def main(
    model: str,
    data_root: Path,
    datasets: tuple[str, ...],
    split: str,
    also: tuple[str, ...],
    draws: int,
    cache_dir: Path | None,
    output: Path | None,
    document: Path | None,
) -> None:
    """Measure every list and print the table."""
    encoder, knowledge = load_encoder(model), KnowledgeBase.load(DEFAULT_KNOWLEDGE)
    lines = []
    with TemporaryDirectory() as forgotten:
        for name in datasets:
            data = load(str(data_root / name / "index.csv"), None, split)
            own = [*data.classes, *also]
            others = never_shown(knowledge, encoder.card.diagnoses or (), own)
            for added in ADDED:
                drawn = [
                    [others[place] for place in np.random.default_rng(seed).permutation(len(others))[:added]]
                    for seed in range(draws if added else 1)
                ]
                found = [accuracies(encoder, data, [*own, *more], cache_dir or forgotten) for more in drawn]
                auto, home = np.mean(found, axis=0).tolist()
                facts = (name, encoder.fingerprint, len(data), len(own), added, len(found))
                lines.append(Line(*facts, auto, home, min(after - before for before, after in found)))
    content = {"draws": draws, "also": also, "figures": [asdict(line) for line in lines]}
    publish({PART: markdown(lines)}, content, output, document)


if __name__ == "__main__":
    main()
