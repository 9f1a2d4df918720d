"""Evaluation of the encoder at the end of an epoch, through the same code that users call.

The exported folder is loaded with `load_encoder`, so the figures are those of the delivered encoder: float16 weights,
its preprocessing, the class texts of the library. Figures are taken once over all images of a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import zsderm
from zsderm.errors import InputError
from zsderm.image_table import ImageTable
from zsderm.metrics import evaluate
from zsderm.pretrain.config import Evaluation, TrainConfig
from zsderm.pretrain.data.image_files import ImageFiles
from zsderm.pretrain.data.readable import check_images
from zsderm.tasks.concepts.agreement import agreement
from zsderm.tasks.concepts.annotation import annotate
from zsderm.tasks.concepts.concept_list import ConceptVocabulary
from zsderm.tasks.retrieval.captioned_images import CaptionedImages

CLASSIFICATION_FIGURES = ("accuracy", "balanced_accuracy", "macro_auroc", "calibration_error")
RESAMPLES = 100  # few, because the intervals of an epoch are not shown
Figure = tuple[str, float, str]  # metric, value, and the reason where the value is NaN


def evaluate_encoder(config: TrainConfig, root: Path, folder: Path, epoch: int) -> list[dict[str, Any]]:
    """All evaluations of a configuration, as rows: epoch, name, metric, value, reason.

    A figure that could not be measured is NaN, with the reason; a task that could not be asked is one such row.

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
    return [row for asked in config.evaluate for row in rows_of(asked, epoch, _figures(asked, config, encoder, root))]


def rows_of(asked: Evaluation, epoch: int, figures: Iterable[Figure]) -> Iterator[dict[str, Any]]:
    """The figures of one evaluation as rows of the log, with a reason only where there is no value.

    Args:
        asked: what they are of.
        epoch: epochs done.
        figures: metric, value, and the reason that holds if the value is NaN.
    """
    for metric, value, reason in figures:
        told = {"metric": metric, "value": round(value, 4), "reason": reason if math.isnan(value) else ""}
        yield {"epoch": epoch, "name": name_of(asked), **told}


def check_tables(config: TrainConfig, root: Path) -> None:
    """Open every table and column that is evaluated, so that a mistake is found before the first epoch.

    Raises:
        InputError: a table is missing, lacks a row or a column, or most of its images cannot be read.
    """
    for asked in config.evaluate:
        table = table_of(asked, root)
        if asked.task != "concepts":
            table.column(column_of(asked))
        else:
            ConceptVocabulary.load(asked.vocabulary)
        check_images({asked.table: [(path, None) for path in files_of(table)]}, root)


def _figures(asked: Evaluation, config: TrainConfig, encoder: Any, root: Path) -> list[Figure]:
    """(metric, value, reason) of one evaluation."""
    table = table_of(asked, root)
    try:
        return list(_FIGURES[asked.task](asked, config, encoder, table))
    except InputError as error:  # nothing to compare: the run goes on, and says so
        return [("none", math.nan, " ".join(str(error).split()))]


def _classification(asked: Evaluation, config: TrainConfig, encoder: Any, table: ImageTable) -> Iterator[Figure]:
    labels = table.column(column_of(asked))
    classes = sorted(set(labels))
    classifier = zsderm.ZeroShotClassifier.from_pretrained(
        encoder, classes=classes, knowledge=asked.knowledge or config.knowledge, method=asked.method
    )
    predictions = classifier.predict(files_of(table))
    yield from classification_figures([classes.index(label) for label in labels], predictions)


def classification_figures(labels: Sequence[int], predictions: zsderm.Predictions) -> Iterator[Figure]:
    """The figures of an epoch.

    Args:
        labels: N places of the true classes among those of the predictions.
        predictions: for N images.
    """
    metrics = evaluate(labels, predictions.probabilities, resamples=RESAMPLES)
    one_sided = "no class has images that show it and images that do not"
    yield from ((name, float(getattr(metrics, name)), one_sided) for name in CLASSIFICATION_FIGURES)
    yield from _unread(metrics.unclassified)


def _retrieval(asked: Evaluation, config: TrainConfig, encoder: Any, table: ImageTable) -> Iterator[Figure]:
    report, errors = CaptionedImages.match(files_of(table), table, column_of(asked)).recall(encoder, asked.cutoffs)
    for direction in report.directions:
        words = direction.name.replace(" ", "_")
        yield from ((f"{words}_recall_at_{figure.k}", float(figure.recall), "") for figure in direction.figures)
    yield from _unread(len(errors))


def _concepts(asked: Evaluation, config: TrainConfig, encoder: Any, table: ImageTable) -> Iterator[Figure]:
    scores = annotate(encoder, ConceptVocabulary.load(asked.vocabulary), files_of(table))
    figures = agreement(scores, table, resamples=RESAMPLES)
    yield "mean_auroc", figures.mean_auroc, ""
    yield from ((f"auroc_{figure.concept}", figure.auroc, "") for figure in figures.figures)
    yield from ((f"auroc_{concept}", math.nan, reason) for concept, reason in figures.left_out.items())
    yield from _unread(int(np.isnan(scores.scores).any(axis=1).sum()))


def _unread(images: int) -> Iterator[Figure]:
    """How many images the figures lack, where there are any."""
    if images:
        yield "unreadable_images", float(images), ""


_FIGURES = {"classification": _classification, "retrieval": _retrieval, "concepts": _concepts}


def table_of(asked: Evaluation, root: Path) -> ImageTable:
    """The rows that are evaluated."""
    table = ImageTable.read(root / asked.table, asked.image_column or None)
    return table.where("split", asked.split) if asked.split else table


def files_of(table: ImageTable) -> list[Path]:
    """The image of each row, also where the table spells its name otherwise."""
    files = ImageFiles(table.path.parent)
    return [files.find(name)[0] for name in table.names]


def column_of(asked: Evaluation) -> str:
    """The column of labels or captions."""
    return asked.column or ("label" if asked.task == "classification" else "caption")


def name_of(asked: Evaluation) -> str:
    """What the log calls it."""
    return asked.name or " ".join(part for part in (asked.task, asked.table, asked.split) if part)
