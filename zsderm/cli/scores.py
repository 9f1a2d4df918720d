"""What ``zsderm evaluate`` reports: the figures of each file of predictions, their groups, and how they differ."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zsderm.cli import prediction_tables
from zsderm.errors import InputError, SettingsError
from zsderm.image_table import ImageTable
from zsderm.metrics import Comparison, Difference, Grouping, Metrics, by_group, compare, evaluate, evaluate_labels
from zsderm.metrics.summary import certain
from zsderm.table_files import read_cells

_TITLES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro-F1"}


@dataclass(frozen=True, eq=False)
class Answers:
    """One file of predictions, on the images that have a label."""

    name: str
    probabilities: NDArray[np.float64]  # (N, C); all on one class where the file has names only
    named_only: bool  # whether the file has no probabilities


@dataclass(frozen=True, eq=False)
class Scored:
    """The report, file by file in the order they were given."""

    figures: Mapping[str, Metrics]
    groups: Mapping[str, Mapping[str, Grouping]]  # by file and column
    comparisons: Mapping[str, Comparison]  # every file but the first, against the first
    talk: Sequence[str]

    def to_dict(self) -> dict[str, object]:
        """One file without groups: its figures. Otherwise: figures, groups and comparisons by file."""
        parts = {name: self._part(name) for name in self.figures}
        if len(parts) == 1:
            return next(iter(parts.values()))
        compared = {name: comparison.to_dict() for name, comparison in self.comparisons.items()}
        return {"predictions": parts, "against": next(iter(parts)), "comparisons": compared}

    def to_markdown(self) -> str:
        """The tables, one below the other."""
        if len(self.figures) == 1:
            parts = [next(iter(self.figures.values())).to_markdown()]
        else:
            parts = [_side_by_side(self.figures), _compared(self.comparisons, next(iter(self.figures)))]
        parts += [
            _grouped(name if len(self.figures) > 1 else "", column, grouping)
            for name, columns in self.groups.items()
            for column, grouping in columns.items()
        ]
        return "\n\n".join(parts)

    def _part(self, name: str) -> dict[str, object]:
        found: dict[str, object] = dict(self.figures[name].to_dict())
        if self.groups.get(name):
            found["groups"] = {column: grouping.to_dict() for column, grouping in self.groups[name].items()}
        return found


def score(
    files: Sequence[Path],
    labels: Path | None,
    classes: Sequence[str],
    maps: Mapping[str, Sequence[str]],
    groups: Sequence[str] = (),
    cluster: str | None = None,
    image_column: str | None = None,
) -> Scored:
    """Read the files and compute everything.

    Args:
        files: predictions; with several of them the images of the first are the ones that count.
        labels: a file of labels, or None when the first file of predictions carries them.
        classes: (C,) class names.
        maps: what ``probability_class_i`` stands for, by file as it was named; "" is for every file.
        groups: columns of the labels.
        cluster: a column of the labels.
        image_column: the column that names the images, where it has no usual name; the labels must have it, and
            predictions may.

    Raises:
        InputError: a file that does not fit; see `zsderm.cli.prediction_tables`.
        SettingsError: a class map for a file that is not there.
    """
    if strangers := set(maps) - {"", *map(str, files)}:
        raise SettingsError(f"there is a class map for {strangers.pop()}, which is not among the --predictions")
    first = _predictions(files[0], image_column)
    facts = first if labels is None else ImageTable.read(labels, image_column, required=False).beside(first.names)
    read_labels = prediction_tables.own_labels if labels is None else prediction_tables.labels_in
    true = read_labels(facts, classes)
    known = true != prediction_tables.NO_LABEL
    talk = (
        []
        if known.all()
        else [f"{(~known).sum()} of {len(known)} images have no label in {facts.path}; they are left out."]
    )
    units = None if cluster is None else prediction_tables.names_in(facts, cluster)[known]
    if units is not None and (alone := int((units == "").sum())):
        talk.append(f"{alone} of {len(units)} images have no {cluster}; each of them counts as one of its own.")
    columns = {column: prediction_tables.names_in(facts, column)[known] for column in groups}
    answers = list(_read(files, first, classes, maps, known, image_column))
    if len({answer.name for answer in answers}) < len(answers):
        raise InputError("expected every file of predictions once, but one is given twice")
    named = {answer.name: answer for answer in answers}
    return Scored(
        figures={name: _figures(answer, true[known], units) for name, answer in named.items()},
        groups={
            name: {
                column: by_group(true[known], answer.probabilities, names, clusters=units)
                for column, names in columns.items()
            }
            for name, answer in named.items()
        },
        comparisons={
            answer.name: compare(true[known], answers[0].probabilities, answer.probabilities, clusters=units)
            for answer in answers[1:]
        },
        talk=talk,
    )


def _predictions(path: Path, image_column: str | None) -> ImageTable:
    """A file of predictions; other tools may call its image column otherwise than the labels do."""
    frame = read_cells(path)
    return ImageTable.of(path, frame, image_column if image_column in frame.columns else None, required=False)


def _read(
    files: Sequence[Path],
    first: ImageTable,
    classes: Sequence[str],
    maps: Mapping[str, Sequence[str]],
    known: NDArray[np.bool_],
    image_column: str | None,
) -> Iterator[Answers]:
    """The answers of every file, on the images of the first that have a label."""
    for index, path in enumerate(files):
        table = first if index == 0 else _predictions(path, image_column).beside(first.names)
        order = maps.get(str(path), maps.get(""))
        rows = prediction_tables.class_probabilities(table, classes, order)
        chosen = None if rows is not None else prediction_tables.predicted_classes(table, classes)
        certainly = rows if chosen is None else certain(chosen, len(classes))
        name = path.stem if len({other.stem for other in files}) == len(files) else str(path)
        yield Answers(name, np.asarray(certainly)[known], rows is None)


def _figures(answer: Answers, true: NDArray[np.int_], units: NDArray[np.object_] | None) -> Metrics:
    rows = answer.probabilities
    if not answer.named_only:
        return evaluate(true, rows, clusters=units)
    chosen = np.where(np.isnan(rows).any(axis=1), prediction_tables.NO_LABEL, np.nan_to_num(rows).argmax(axis=1))
    return evaluate_labels(true, chosen, rows.shape[1], clusters=units)


def _side_by_side(figures: Mapping[str, Metrics]) -> str:
    """One column a file, one row a figure."""
    texts = {name: dict(found.rows()) for name, found in figures.items()}
    titles = dict.fromkeys(title for rows in texts.values() for title in rows)
    lines = ["| metric | " + " | ".join(texts) + " |", "|---" + "|---:" * len(texts) + "|"]
    lines += [f"| {title} | " + " | ".join(rows.get(title, "") for rows in texts.values()) + " |" for title in titles]
    return "\n".join(lines)


def _compared(comparisons: Mapping[str, Comparison], first: str) -> str:
    lines = [f"| against {first} | images | figure | difference (95 %) | p |", "|---|---:|---|---:|---:|"]
    for name, found in comparisons.items():
        for figure, title in _TITLES.items():
            difference: Difference = getattr(found, figure)
            bounds = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
            lines.append(f"| {name} | {found.n} | {title} | {bounds} | {difference.p:.3f} |")
    return "\n".join(lines)


def _grouped(name: str, column: str, grouping: Grouping) -> str:
    """The groups of one column, with n and intervals, and below how far they are apart."""
    start = f"{column}, {name}" if name else column
    lines = [f"| {start} | images | accuracy (95 %) | balanced (95 %) |", "|---|---:|---:|---:|"]
    for group, found in grouping.groups.items():
        rows = dict(found.rows())
        lines.append(f"| {group} | {found.n} | {rows['accuracy']} | {rows['balanced accuracy']} |")
    gap = grouping.gap()
    if not math.isnan(gap):
        lines += [
            "",
            f"Gap of the accuracy among groups of at least {grouping.least} images: {gap:.3f}; chance alone gives "
            f"{grouping.gap_by_chance:.3f} (p = {grouping.p:.3f}). {grouping.unknown} images are in no group.",
        ]
    else:
        lines += ["", f"No gap: fewer than two groups have {grouping.least} images."]
    return "\n".join(lines)
