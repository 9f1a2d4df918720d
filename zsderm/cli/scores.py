"""What ``zsderm evaluate`` reports: the figures of each file of predictions, their groups, and how they differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zsderm.class_labels import NO_LABEL
from zsderm.cli import prediction_tables
from zsderm.cli.answer_tables import read_predictions
from zsderm.cli.group_scores import MEAN_OF_LOGS, LabelledGroups, in_groups
from zsderm.cli.image_groups import IMAGES, drawn_column, groups_of
from zsderm.cli.probability_columns import class_probabilities
from zsderm.errors import InputError, SettingsError
from zsderm.groups import ImageGroups, groups_file
from zsderm.image_table import ImageTable
from zsderm.long_tables import as_wide
from zsderm.metrics import Comparison, Difference, Grouping, Metrics, by_group, compare, evaluate, evaluate_labels
from zsderm.metrics.summary import certain
from zsderm.wording import agrees, counted

_TITLES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro-F1"}


@dataclass(frozen=True, eq=False)
class Answers:
    """One file of predictions."""

    name: str
    probabilities: NDArray[np.float64]  # (N, C); all on one class where the file has names only
    named_only: bool  # whether the file has no probabilities


@dataclass(frozen=True, eq=False)
class PerGroup:
    """One answer for each lesion or patient that has a label, file by file."""

    by: str
    sources: Mapping[str, str]  # where the answers come from
    figures: Mapping[str, Metrics]
    comparisons: Mapping[str, Comparison]  # every file but the first, against the first

    def part(self, name: str) -> dict[str, object]:
        """The figures of one file, ready for JSON."""
        return {"by": self.by, "answers": self.sources[name], **self.figures[name].to_dict()}

    def to_markdown(self) -> str:
        """A heading and the tables."""
        parts = [f"One answer for each {self.by}:", _side_by_side(self.figures, in_groups)]
        if self.comparisons:
            parts.append(_compared(self.comparisons, next(iter(self.figures)), "groups"))
        return "\n\n".join(parts)


@dataclass(frozen=True, eq=False)
class Scored:
    """The report, file by file in the order they were given."""

    figures: Mapping[str, Metrics]
    groups: Mapping[str, Mapping[str, Grouping]]  # by file and column
    comparisons: Mapping[str, Comparison]  # every file but the first, against the first
    talk: Sequence[str]
    per_group: PerGroup | None = None

    def to_dict(self) -> dict[str, object]:
        """One file without groups: its figures. Otherwise: figures, groups and comparisons by file."""
        parts = {name: self._part(name) for name in self.figures}
        if len(parts) == 1:
            return next(iter(parts.values()))
        compared = {name: comparison.to_dict() for name, comparison in self.comparisons.items()}
        found: dict[str, object] = {"predictions": parts, "against": next(iter(parts)), "comparisons": compared}
        if self.per_group is not None:
            grouped = self.per_group.comparisons
            found["comparisons_per_group"] = {name: comparison.to_dict() for name, comparison in grouped.items()}
        return found

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
        return "\n\n".join([*parts, *([] if self.per_group is None else [self.per_group.to_markdown()])])

    def _part(self, name: str) -> dict[str, object]:
        found: dict[str, object] = dict(self.figures[name].to_dict())
        if self.groups.get(name):
            found["groups"] = {column: grouping.to_dict() for column, grouping in self.groups[name].items()}
        if self.per_group is not None:
            found["per_group"] = self.per_group.part(name)
        return found


def score(
    files: Sequence[Path | str],
    labels: Path | None,
    classes: Sequence[str],
    maps: Mapping[str, Sequence[str]],
    groups: Sequence[str] = (),
    cluster: str | None = None,
    image_column: str | None = None,
    group_by: str | None = None,
) -> Scored:
    """Read the files and compute everything.

    Args:
        files: predictions, as `read_predictions` takes them; with several of them the images of the first are the ones
            that count.
        labels: a file of labels, or None when the first file of predictions carries them.
        classes: (C,) class names.
        maps: what ``probability_class_i`` stands for, by file as it was named; "" is for every file.
        groups: columns of the labels.
        cluster: a column of the labels.
        image_column: the column that names the images, where it has no usual name; the labels must have it, and
            predictions may.
        group_by: a column of the labels, or "folder": figures for one answer per group as well.

    Raises:
        InputError: a file that does not fit; see `zsderm.cli.prediction_tables`. Or photographs of one group with
            several labels.
        SettingsError: a class map for a file that is not there.
    """
    if strangers := set(maps) - {"", *map(str, files)}:
        raise SettingsError(f"there is a class map for {strangers.pop()}, which is not among the --predictions")
    first = read_predictions(files[0], image_column)
    facts = first
    if labels is not None:
        facts = as_wide(ImageTable.read(labels, image_column, required=False)).beside(first.names)
    same = labels is not None and isinstance(files[0], Path) and labels.samefile(files[0])  # label is the prediction
    read_labels = prediction_tables.own_labels if labels is None or same else prediction_tables.labels_in
    true = read_labels(facts, classes)
    known = true != NO_LABEL
    talk = []
    if unknown := int((~known).sum()):
        left_out = agrees(unknown, "it is", "they are")
        talk.append(f"{_without(unknown, len(known), 'label')} in {facts.path}; {left_out} left out.")
    drawn = drawn_column(facts, cluster)
    all_units = np.array(facts.ids(drawn), dtype=object) if drawn else None
    units = None if all_units is None else all_units[known]
    if drawn and cluster is None:
        talk.append(f"Intervals draw {drawn} of {facts.path}, each with all images; --cluster {IMAGES} draws images.")
    if units is not None and (alone := int((units == "").sum())):
        talk.append(f"{_without(alone, len(units), drawn)}; each counts as one of its own.")
    columns = {column: prediction_tables.groups_in(facts, column)[known] for column in groups}
    on_all = list(_read(files, first, classes, maps, image_column))
    answers = [replace(answer, probabilities=answer.probabilities[known]) for answer in on_all]
    if len({answer.name for answer in answers}) < len(answers):
        raise InputError("expected every file of predictions once, but one is given twice")
    named = {answer.name: answer for answer in answers}
    per_group = None
    if group_by is not None:
        images = [name or str(row) for row, name in enumerate(first.names)]
        members = ImageGroups.of(groups_of(images, group_by, facts), images)
        if cluster is None and all_units is not None and not members.agree(all_units.tolist()):
            all_units = None  # these are parts of the groups, not the other way round
        labelled = LabelledGroups.of(members, true, classes, all_units, f"{group_by} in {facts.path}")
        orders = [maps.get(str(path), maps.get("")) for path in files]
        per_group = _per_group(group_by, labelled, files, on_all, classes, orders)
        talk += _told(per_group, labelled, files)
    return Scored(
        figures={name: _figures(answer, true[known], units) for name, answer in named.items()},
        groups={
            name: {
                column: by_group(true[known], answer.probabilities, names, clusters=units, named_only=answer.named_only)
                for column, names in columns.items()
            }
            for name, answer in named.items()
        },
        comparisons={
            answer.name: compare(true[known], answers[0].probabilities, answer.probabilities, clusters=units)
            for answer in answers[1:]
        },
        talk=talk,
        per_group=per_group,
    )


def _per_group(
    by: str,
    groups: LabelledGroups,
    files: Sequence[Path | str],
    answers: Sequence[Answers],
    classes: Sequence[str],
    orders: Sequence[Sequence[str] | None],
) -> PerGroup:
    """The same figures over groups; each file is answered from its own table of groups, if it has one."""
    sources, rows = {}, {}
    for path, answer, order in zip(files, answers, orders, strict=True):
        found, sources[answer.name] = groups.answers(path, answer.probabilities, classes, order)
        only_names = answer.named_only and sources[answer.name] == MEAN_OF_LOGS
        rows[answer.name] = replace(answer, probabilities=found, named_only=only_names)
    first, *others = rows.values()
    return PerGroup(
        by,
        sources,
        {name: _figures(answer, groups.true, groups.units) for name, answer in rows.items()},
        {
            other.name: compare(groups.true, first.probabilities, other.probabilities, clusters=groups.units)
            for other in others
        },
    )


def _without(count: int, of: int, what: str) -> str:
    return f"{count} of {counted(of, 'image')} {agrees(count, 'has', 'have')} no {what}"


def _told(per_group: PerGroup, groups: LabelledGroups, files: Sequence[Path | str]) -> list[str]:
    """What the groups are, and where their answers come from."""
    members = groups.members
    lines = [f"{counted(len(members), 'group')} by {per_group.by} of {counted(len(members.group_of), 'image')}."]
    if members.alone:
        have = agrees(members.alone, "has", "have")
        lines.append(f"{members.alone} of them {have} no {per_group.by}; each is a group of its own.")
    if without := len(members) - len(groups.chosen):
        lines.append(f"{counted(without, 'group')} {agrees(without, 'has', 'have')} no label; left out.")
    for path, source in zip(files, per_group.sources.values(), strict=True):
        if source == MEAN_OF_LOGS:
            lines.append(
                f"There is no {groups_file(Path(path)).name} beside {path}: its groups are answered by the {source}."
            )
        else:
            lines.append(f"The groups of {path} are answered by {source}.")
    return lines


def _read(
    files: Sequence[Path | str],
    first: ImageTable,
    classes: Sequence[str],
    maps: Mapping[str, Sequence[str]],
    image_column: str | None,
) -> Iterator[Answers]:
    """The answers of every file, on the images of the first."""
    for index, path in enumerate(files):
        table = first if index == 0 else read_predictions(path, image_column).beside(first.names)
        order = maps.get(str(path), maps.get(""))
        rows = class_probabilities(table, classes, order)
        chosen = None if rows is not None else prediction_tables.predicted_classes(table, classes)
        certainly = rows if chosen is None else certain(chosen, len(classes))
        name = Path(path).stem if len({Path(other).stem for other in files}) == len(files) else str(path)
        yield Answers(name, np.asarray(certainly), rows is None)


def _figures(answer: Answers, true: NDArray[np.int_], units: NDArray[np.object_] | None) -> Metrics:
    rows = answer.probabilities
    if not answer.named_only:
        return evaluate(true, rows, clusters=units)
    chosen = np.where(np.isnan(rows).any(axis=1), NO_LABEL, np.nan_to_num(rows).argmax(axis=1))
    return evaluate_labels(true, chosen, rows.shape[1], clusters=units)


def _side_by_side(
    figures: Mapping[str, Metrics], titled: Callable[[dict[str, str]], dict[str, str]] = lambda rows: rows
) -> str:
    """One column a file, one row a figure."""
    texts = {name: titled(dict(found.rows())) for name, found in figures.items()}
    titles = dict.fromkeys(title for rows in texts.values() for title in rows)
    lines = ["| metric | " + " | ".join(texts) + " |", "|---" + "|---:" * len(texts) + "|"]
    lines += [f"| {title} | " + " | ".join(rows.get(title, "") for rows in texts.values()) + " |" for title in titles]
    return "\n".join(lines)


def _compared(comparisons: Mapping[str, Comparison], first: str, unit: str = "images") -> str:
    lines = [f"| against {first} | {unit} | figure | difference (95 %) | p |", "|---|---:|---|---:|---:|"]
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
    unknown = {} if grouping.of_unknown is None else {"*not known*": grouping.of_unknown}
    for group, found in {**grouping.groups, **unknown}.items():
        rows = dict(found.rows())
        lines.append(f"| {group} | {found.n} | {rows['accuracy']} | {rows['balanced accuracy']} |")
    lines += [f"| {group} | 0 of {images} with a prediction | – | – |" for group, images in grouping.unanswered.items()]
    gap = grouping.gap()
    if not math.isnan(gap):
        lines += [
            "",
            f"Gap of the accuracy among groups of at least {grouping.least} images: {gap:.3f}; chance alone gives "
            f"{grouping.gap_by_chance:.3f} (p = {grouping.p:.3f}). "
            f"{counted(grouping.unknown, 'image')} {agrees(grouping.unknown, 'is', 'are')} in no group.",
        ]
    else:
        lines += ["", f"No gap: fewer than two groups have {grouping.least} images."]
    return "\n".join(lines)
