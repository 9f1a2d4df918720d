"""Evaluation of the encoder at the end of an epoch, through the same code that users call.

The exported folder is loaded with `load_encoder`, so the figures are those of the delivered encoder: float16 weights,
its preprocessing, the class texts of the library. Figures are taken once over all images of a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zsderm
from zsderm.image_table import ImageTable
from zsderm.metrics import evaluate
from zsderm.pretrain.config import Evaluation, TrainConfig
from zsderm.tasks.concepts.agreement import agreement
from zsderm.tasks.concepts.annotation import annotate
from zsderm.tasks.concepts.concept_list import ConceptVocabulary
from zsderm.tasks.retrieval.captioned_images import CaptionedImages

CLASSIFICATION_FIGURES = ("accuracy", "balanced_accuracy", "macro_auroc", "calibration_error")
RESAMPLES = 100  # few, because the intervals of an epoch are not shown


def evaluate_encoder(config: TrainConfig, root: Path, folder: Path, epoch: int) -> list[dict[str, Any]]:
    """All evaluations of a configuration, as rows: epoch, name, metric, value.

    Args:
        config: the evaluations.
        root: the data folder.
        folder: the exported encoder.
        epoch: epochs done.

    Raises:
        InputError: a table is missing or lacks a column.
    """
    if not config.evaluate:
        return []
    encoder = zsderm.load_encoder(f"local-dir:{folder}")
    return [
        {"epoch": epoch, "name": _name(asked), "metric": metric, "value": round(value, 4)}
        for asked in config.evaluate
        for metric, value in _FIGURES[asked.task](asked, config, encoder, _table(asked, root))
        if not math.isnan(value)
    ]


def check_tables(config: TrainConfig, root: Path) -> None:
    """Open every table and column that is evaluated, so that a mistake is found before the first epoch.

    Raises:
        InputError: a table is missing, or lacks a row or a column.
    """
    for asked in config.evaluate:
        table = _table(asked, root)
        if asked.task != "concepts":
            table.column(_column(asked))
        else:
            ConceptVocabulary.load(asked.vocabulary)


def _classification(
    asked: Evaluation, config: TrainConfig, encoder: Any, table: ImageTable
) -> Iterator[tuple[str, float]]:
    labels = table.column(_column(asked))
    classes = sorted(set(labels))
    classifier = zsderm.ZeroShotClassifier.from_pretrained(
        encoder, classes=classes, knowledge=asked.knowledge or config.knowledge, method=asked.method
    )
    predictions = classifier.predict(table.files)
    metrics = evaluate([classes.index(label) for label in labels], predictions.probabilities, resamples=RESAMPLES)
    yield from ((name, float(getattr(metrics, name))) for name in CLASSIFICATION_FIGURES)


def _retrieval(asked: Evaluation, config: TrainConfig, encoder: Any, table: ImageTable) -> Iterator[tuple[str, float]]:
    report, _ = CaptionedImages.match(table.files, table, _column(asked)).recall(encoder, asked.cutoffs)
    for direction in report.directions:
        words = direction.name.replace(" ", "_")
        yield from ((f"{words}_recall_at_{figure.k}", float(figure.recall)) for figure in direction.figures)


def _concepts(asked: Evaluation, config: TrainConfig, encoder: Any, table: ImageTable) -> Iterator[tuple[str, float]]:
    scores = annotate(encoder, ConceptVocabulary.load(asked.vocabulary), table.files)
    figures = agreement(scores, table, resamples=RESAMPLES)
    yield "mean_auroc", figures.mean_auroc
    yield from ((f"auroc_{figure.concept}", figure.auroc) for figure in figures.figures)


_FIGURES = {"classification": _classification, "retrieval": _retrieval, "concepts": _concepts}


def _table(asked: Evaluation, root: Path) -> ImageTable:
    table = ImageTable.read(root / asked.table)
    return table.where("split", asked.split) if asked.split else table


def _column(asked: Evaluation) -> str:
    return asked.column or ("label" if asked.task == "classification" else "caption")


def _name(asked: Evaluation) -> str:
    return asked.name or " ".join(part for part in (asked.task, asked.table, asked.split) if part)
