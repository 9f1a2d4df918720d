"""How well concept scores agree with labels: an AUROC per concept, and their mean with an interval.

Letters: N images, C concepts, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from zsderm.errors import InputError
from zsderm.image_table import ImageTable
from zsderm.knowledge.names import spelling
from zsderm.table_files import UNKNOWN_WORDS
from zsderm.tasks.concepts.annotation import ConceptScores
from zsderm.wording import counted

Floats = npt.NDArray[np.float64]

PRESENT = frozenset({"1", "1.0", "true", "yes", "present"})
ABSENT = frozenset({"0", "0.0", "false", "no", "absent"})
UNKNOWN = UNKNOWN_WORDS
RESAMPLES = 1000
BLOCK = 50  # resamples weighed at a time


@dataclass(frozen=True)
class ConceptFigure:
    """How well one concept is told apart."""

    concept: str
    positives: int
    negatives: int
    auroc: float  # 0.5 is chance


@dataclass(frozen=True)
class Agreement:
    """Concept scores beside labels."""

    images: int  # with a score and at least one label
    figures: tuple[ConceptFigure, ...]  # concepts with both sides, in the order of the vocabulary
    mean_auroc: float  # over these concepts
    low: float  # 95 % bootstrap interval of the mean
    high: float
    resampled: str  # what was drawn with replacement: "images", or the column that names their groups
    left_out: Mapping[str, str]  # labelled concepts without an AUROC, and why
    unlabelled: tuple[str, ...]  # concepts of the vocabulary that no column names
    unmatched: tuple[str, ...]  # columns of the labels that name no concept

    def to_dict(self) -> dict[str, object]:
        """The figures, ready for JSON."""
        return asdict(self)

    def to_markdown(self) -> str:
        """The figures as a table, and below it what is not in it."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield "| concept | positives | negatives | AUROC |"
        yield "|---|--:|--:|--:|"
        for figure in self.figures:
            yield f"| {figure.concept} | {figure.positives} | {figure.negatives} | {figure.auroc:.3f} |"
        yield ""
        yield (
            f"Mean AUROC of {counted(len(self.figures), 'concept')} on {counted(self.images, 'image')}: "
            f"{self.mean_auroc:.3f} ({self.low:.3f} to {self.high:.3f}, 95 % bootstrap over {self.resampled}); "
            "by chance 0.500."
        )
        for concept, reason in self.left_out.items():
            yield f"Left out: {concept}: {reason}."
        if self.unlabelled:
            yield f"Not in the labels: {', '.join(self.unlabelled)}."
        if self.unmatched:
            yield f"Columns of the labels that name no concept: {', '.join(self.unmatched)}."


def agreement(
    scores: ConceptScores,
    table: ImageTable,
    *,
    group_column: str = "",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Compare scores with the columns of a table that have the concepts' names, in any spelling.

    A cell is 1/0, true/false, yes/no or present/absent; an empty one, "unk" or "na" is unknown and counts for neither
    side. Concepts that only have one side are left out of the mean. No figure depends on the order of the images.

    Args:
        scores: of N images.
        table: their labels.
        group_column: the column that names patients or lesions, so that these are drawn in the bootstrap; by default
            every image is drawn for itself.
        resamples: R.
        seed: of the bootstrap.

    Raises:
        InputError: no image has a row, an image has several, no column names a concept, a cell is something else, or
            no concept has both sides.
    """
    rows, columns, labels = concept_labels(scores.images, scores.concepts, table)
    usable = ~np.isnan(scores.scores).any(axis=1)  # (N,)
    values = {c: scores.scores[:, scores.concepts.index(c)].astype(np.float64) for c in labels}
    sides = {c: (known := usable & ~np.isnan(y), values[c][known], y[known]) for c, y in labels.items()}
    left_out = {c: reason for c, (_, _, y) in sides.items() if (reason := _one_sided(y))}
    kept = {c: side for c, side in sides.items() if c not in left_out}
    if not kept:
        raise InputError(
            f"expected a concept with images that show it and images that do not in {table.path}, but there is none: "
            + "; ".join(f"{c}: {reason}" for c, reason in left_out.items())
        )
    figures = tuple(
        ConceptFigure(c, int(y.sum()), int((1 - y).sum()), float(roc_auc_score(y, x))) for c, (_, x, y) in kept.items()
    )
    groups = _groups(scores, table, rows, group_column)
    low, high = _mean_interval(list(kept.values()), groups, resamples, seed)
    named = {table.image_column, group_column, *columns.values()}
    return Agreement(
        images=int(np.any([known for known, _, _ in sides.values()], axis=0).sum()),
        figures=figures,
        mean_auroc=float(np.mean([figure.auroc for figure in figures])),
        low=low,
        high=high,
        resampled=group_column or "images",
        left_out=left_out,
        unlabelled=tuple(c for c in scores.concepts if c not in columns),
        unmatched=tuple(str(column) for column in table.frame if column not in named),
    )


def concept_labels(
    images: Sequence[str], concepts: Sequence[str], table: ImageTable
) -> tuple[list[int], dict[str, str], dict[str, Floats]]:
    """What a table says of images, which can be read before they are scored.

    Args:
        images: N names.
        concepts: of the vocabulary.
        table: their labels.

    Returns:
        The row of each image; the column of each concept that has one; and (N,) 1, 0 or NaN for each of these.

    Raises:
        InputError: no image has a row, an image has several, no column names a concept, or a cell is something else.
    """
    rows, columns = table.row_of(images).tolist(), _columns(concepts, table)
    return rows, columns, {c: _labels(table.column(column), rows, table, column) for c, column in columns.items()}


def weighted_auroc(values: Floats, positive: Floats, weights: Floats) -> Floats:
    """The area under the ROC curve for many weightings of the same images; ties count one half.

    Args:
        values: (N,) scores.
        positive: (N,) 1 or 0.
        weights: (R, N), how often each image counts.

    Returns:
        (R,); NaN where a weighting leaves one side empty.
    """
    _, level = np.unique(values, return_inverse=True)  # (N,), equal scores on one level
    order = np.argsort(level, kind="stable")
    starts = np.searchsorted(level[order], np.arange(level.max() + 1))
    up, down = (
        np.add.reduceat(weights[:, order] * side[order], starts, axis=1) for side in (positive, 1 - positive)
    )  # (R, levels) each
    below = np.cumsum(down, axis=1) - down / 2
    pairs = up.sum(axis=1) * down.sum(axis=1)
    return np.divide((up * below).sum(axis=1), pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def _mean_interval(
    sides: Sequence[tuple[npt.NDArray[np.bool_], Floats, Floats]],
    groups: npt.NDArray[np.int_],
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    """The 95 % percentile interval of the mean AUROC; a concept that loses a side in a resample is left out of it."""
    rng, count = np.random.default_rng(seed), int(groups.max()) + 1
    means: list[float] = []
    for start in range(0, resamples, BLOCK):
        size = min(BLOCK, resamples - start)
        weights = rng.multinomial(count, np.full(count, 1 / count), size=size)[:, groups].astype(np.float64)  # (B, N)
        areas = np.array([weighted_auroc(x, y, weights[:, known]) for known, x, y in sides])  # (C, B)
        means += [float(np.mean(area[~np.isnan(area)])) for area in areas.T if not np.isnan(area).all()]
    low, high = np.quantile(means, [0.025, 0.975]) if means else (math.nan, math.nan)
    return float(low), float(high)


def _columns(concepts: Sequence[str], table: ImageTable) -> dict[str, str]:
    """Concept to column, in the order of the concepts."""
    by_spelling: dict[str, str] = {}
    for column in map(str, table.frame):
        if (other := by_spelling.setdefault(spelling(column), column)) != column and column != table.image_column:
            raise InputError(f"{table.path} has the columns {other!r} and {column!r}, which are the same name.")
    found = {c: by_spelling[spelling(c)] for c in concepts if spelling(c) in by_spelling}
    if not found:
        raise InputError(
            f"expected columns of {table.path} named as the concepts ({', '.join(concepts[:4])}, ...), but they "
            f"are: {', '.join(map(str, table.frame))}"
        )
    return found


def _labels(cells: Sequence[str], rows: Sequence[int], table: ImageTable, column: str) -> Floats:
    """(N,) 1, 0 or NaN."""
    values = np.full(len(rows), np.nan)
    for place, row in enumerate(rows):
        cell = cells[row].casefold() if row >= 0 else ""
        if cell in PRESENT or cell in ABSENT:
            values[place] = cell in PRESENT
        elif cell not in UNKNOWN:
            raise InputError(f"expected 1, 0 or nothing in column {column!r} of {table.path}, but got {cell!r}.")
    return values


def _one_sided(labels: Floats) -> str:
    """Why there is no curve, or an empty string."""
    if not len(labels):
        return "no image has a label"
    if labels.all():
        return f"all {len(labels)} labelled images show it"
    return "" if labels.any() else f"none of {len(labels)} labelled images shows it"


def _groups(scores: ConceptScores, table: ImageTable, rows: Sequence[int], column: str) -> npt.NDArray[np.int_]:
    """(N,) the group of each image, 0 upwards in the order of names; an image without one is a group of its own."""
    cells = table.ids(column) if column else []
    own = [cells[row] if column and row >= 0 else "" for row in rows]
    names = [("group", group) if group else ("image", image) for group, image in zip(own, scores.images, strict=True)]
    number = {name: index for index, name in enumerate(sorted(set(names)))}
    return np.array([number[name] for name in names])
