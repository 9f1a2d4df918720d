"""How much an answer depends on the words in which the classes are named.

    python -m zsderm.benchmarks.experiments.wordings --model zsderm-mini --data-root DATA --output wordings.json

asks an encoder for the same classes in every wording of benchmarks/wordings.json: as in training, in synonyms, in lay
words, in codes, in another data set's words, and more. Prints Markdown: for each data set and method, with names as
typed and with all names that the knowledge base knows, the worst, mean and best figure over the wordings (each figure
by itself), the wording of the lowest balanced accuracy with the recall of each class under it, and how alike the
proxies of one class are under two wordings (mean cosine over classes and pairs; all pairs, and those of names that
mean one disease to the base: a pooled class has members that are different diseases).

Letters: N images, C classes, W wordings, D embedding width.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

from zsderm import KnowledgeBase, ZeroShotClassifier, load_encoder
from zsderm.atomic_files import atomic_file
from zsderm.benchmarks.datasets import load
from zsderm.benchmarks.features import image_features
from zsderm.benchmarks.labelled import LabelledImages
from zsderm.benchmarks.options import cache_dir_option, data_root_option, model_option, split_option
from zsderm.config import DEFAULT_KNOWLEDGE, METHODS, NAMES
from zsderm.knowledge.class_names import ClassNames
from zsderm.metrics import confusion_matrix

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

DATASETS = ("pad", "ham10000")
ASKED = ("class-name", "templates", "descriptions", "knowledge")
FIGURES = ("accuracy", "balanced_accuracy")


def wordings() -> dict[str, Any]:
    """What wordings.json holds: data set -> its labels, and wording -> a name for each of the labels."""
    file = Path(__file__).parents[1] / "wordings.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def wordings_table(
    encoder: Encoder,
    data_root: Path,
    datasets: Iterable[str] = DATASETS,
    methods: Iterable[str] = ASKED,
    names: Iterable[str] = NAMES,
    *,
    split: str = "dev",
    knowledge: KnowledgeBase | None = None,
    cache: Path | None = None,
) -> list[dict[str, Any]]:
    """Ask an encoder for the classes of data sets in every wording. Images are embedded once.

    Args:
        encoder: of images and texts.
        data_root: the folder of data sets.
        datasets: of wordings.json.
        methods: of the classifier.
        names: settings of the classifier, "known" or "typed".
        split: the part of each data set.
        knowledge: the knowledge base; None for the default one.
        cache: a folder that keeps embeddings between runs; None keeps nothing.

    Returns:
        A row a data set, method and setting of names, ready for JSON: dataset, method, names, n (images); for accuracy
        and balanced_accuracy the keys FIGURE_worst, FIGURE_mean and FIGURE_best; worst_wording (by balanced accuracy)
        and its recalls (class -> recall, None for a class without images); cosine, and cosine_one_disease over pairs of
        names that mean one disease to the base; wordings, with both figures of each.
    """
    base = knowledge or KnowledgeBase.load(DEFAULT_KNOWLEDGE)
    listed, asked, how = wordings(), list(methods), list(names)
    rows = []
    with TemporaryDirectory() as forgotten:  # most texts are the same in many wordings, and are read once
        for dataset in datasets:
            known = listed[dataset]
            images = load(dataset, data_root, split)
            features = image_features(encoder, images.images, cache)  # (N, D)
            true = _true(images, known["labels"])
            meant = [ClassNames.read(classes, base).canonical for classes in known["wordings"].values()]
            for method, setting in product(asked, how):
                classifier_of = partial(
                    ZeroShotClassifier.from_pretrained,
                    encoder,
                    knowledge=base,
                    method=method,
                    names=setting,
                    cache=cache or forgotten,
                )
                told = {"dataset": dataset, "method": method, "names": setting, "n": len(images)}
                rows.append({**told, **_over(classifier_of, features, true, known, meant)})
    return rows


def _true(images: LabelledImages, labels: Sequence[str]) -> NDArray[np.int_]:
    """(N,) indices into the labels of wordings.json."""
    place = {name: index for index, name in enumerate(labels)}
    return np.array([place[images.classes[label]] for label in images.labels])


def _over(
    classifier_of: Callable[..., ZeroShotClassifier],
    features: torch.Tensor,
    true: NDArray[np.int_],
    known: Mapping[str, Any],
    meant: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """The figures of one method over all wordings of a data set; `meant` is (W, C), see `alikeness`."""
    recalls, accuracies, proxies = {}, {}, []
    for wording, classes in known["wordings"].items():
        answers, rows = _answers(classifier_of(classes=classes), features)
        proxies.append(rows)
        recalls[wording] = _recalls(true, answers, len(classes))
        accuracies[wording] = float((answers == true).mean())
    each = {
        wording: {"accuracy": accuracies[wording], "balanced_accuracy": float(np.nanmean(recalls[wording]))}
        for wording in recalls
    }
    worst = min(each, key=lambda wording: each[wording]["balanced_accuracy"])
    found = {name: [figures[name] for figures in each.values()] for name in FIGURES}
    spread = {
        f"{name}_{which}": round(float(reduce(values)), 4)
        for name, values in found.items()
        for which, reduce in (("worst", np.min), ("mean", np.mean), ("best", np.max))
    }
    return {
        **spread,
        "worst_wording": worst,
        "recalls": {
            label: None if np.isnan(recall) else round(float(recall), 4)
            for label, recall in zip(known["labels"], recalls[worst], strict=True)
        },
        "cosine": round(alikeness(torch.stack(proxies)), 4),
        "cosine_one_disease": round(alikeness(torch.stack(proxies), meant), 4),
        "wordings": {
            wording: {name: round(value, 4) for name, value in figures.items()} for wording, figures in each.items()
        },
    }


def _answers(classifier: ZeroShotClassifier, features: torch.Tensor) -> tuple[NDArray[np.int_], torch.Tensor]:
    """(N,) the answers in one wording, and the (C, D) proxies that gave them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a lay name may be in no knowledge base: its templates are what is measured
        fitted = classifier.fit(features).fitted
    assert fitted is not None
    scores = (features - fitted.centre) @ fitted.rows.T  # (N, C)
    return scores.argmax(dim=1).numpy(), fitted.rows


def _recalls(true: NDArray[np.int_], answers: NDArray[np.int_], class_count: int) -> NDArray[np.float64]:
    """(C,) the share of each class's images that are named so; NaN for a class without images."""
    counts = confusion_matrix(true, answers, class_count)
    images = counts.sum(axis=1)
    return np.where(images > 0, counts.diagonal() / np.maximum(images, 1), np.nan)


def alikeness(proxies: torch.Tensor, meant: Sequence[Sequence[str]] | None = None) -> float:
    """The mean cosine of a class's proxies under two wordings, over classes and pairs of wordings.

    Args:
        proxies: (W, C, D) float32 unit rows, W at least 2.
        meant: (W, C) what each name means; pairs that do not mean the same are left out. None takes every pair.
    """
    cosines = [
        float(proxies[one, c] @ proxies[other, c])
        for c in range(proxies.shape[1])
        for one, other in combinations(range(len(proxies)), 2)
        if meant is None or meant[one][c] == meant[other][c]
    ]
    return float(np.mean(cosines))


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table, worst, mean and best in one cell."""
    lines = [
        "| data set | method | names | accuracy: worst, mean, best | balanced: worst, mean, best "
        "| cosine: all, one disease | worst wording, and the class found least |",
        "|---" * 7 + "|",
    ]
    for row in rows:
        cells = [", ".join(f"{row[f'{name}_{which}']:.3f}" for which in ("worst", "mean", "best")) for name in FIGURES]
        recalls = {label: recall for label, recall in row["recalls"].items() if recall is not None}
        least = min(recalls, key=lambda label: recalls[label])
        lines.append(
            f"| {row['dataset']} | {row['method']} | {row['names']} | {' | '.join(cells)} | {row['cosine']:.3f}, "
            f"{row['cosine_one_disease']:.3f} "
            f"| {row['worst_wording']}: {least} {recalls[least]:.3f} |"
        )
    return "\n".join(lines)


@click.command(help=__doc__)
@model_option
@data_root_option
@click.option("--dataset", "datasets", multiple=True, type=click.Choice(DATASETS), default=DATASETS, show_default=True)
@click.option("--method", "methods", multiple=True, type=click.Choice(METHODS), default=ASKED, show_default=True)
@click.option("--names", multiple=True, type=click.Choice(NAMES), default=NAMES, show_default=True)
@split_option
@cache_dir_option
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file with every figure.")
def main(
    model: str,
    data_root: Path,
    datasets: tuple[str, ...],
    methods: tuple[str, ...],
    names: tuple[str, ...],
    split: str,
    cache_dir: Path | None,
    output: Path | None,
) -> None:
    """Measure, print the table, write the figures."""
    encoder = load_encoder(model)
    base = KnowledgeBase.load(DEFAULT_KNOWLEDGE)
    rows = wordings_table(encoder, data_root, datasets, methods, names, split=split, knowledge=base, cache=cache_dir)
    click.echo(markdown(rows))
    if output:
        content = {"encoder": encoder.fingerprint, "knowledge": base.checksum, "split": split, "figures": rows}
        with atomic_file(output) as draft:
            draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
