"""Photographs whose label is probably wrong, and photographs that are unlike all others, both ranked.

Letters: N photographs of both sets together, D embedding width, C classes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from zsderm.errors import InputError
from zsderm.file_names import printable
from zsderm.harmless_text import one_line
from zsderm.table_files import write_csv
from zsderm.tasks.audit.cross_fitting import FOLDS, NO_LABEL, checkable, cross_fitted, joined
from zsderm.tasks.audit.label_errors import LabelDoubts, label_doubts
from zsderm.tasks.audit.off_topic import NEIGHBOURS, familiarities
from zsderm.tasks.audit.report import AuditReport
from zsderm.wording import agrees, counted

NAMED = 10  # photographs of either kind in the summary

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of N photographs, and what they are to be held against.

    Attributes:
        classes: C names.
        given: (N,) int, 0 to C - 1; NO_LABEL where a photograph has none.
        probabilities: (N, C) of a model that did not see these labels, NaN where there are none; None: of a classifier
            that is fitted to the embeddings of the other photographs.
        source: where the probabilities come from.
        columns: the N cells of other columns of the table of labels, which goes on with corrections.
    """

    classes: tuple[str, ...]
    given: Integers
    probabilities: Floats | None = None
    source: str = ""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Suspects:
    """What is doubtful about N photographs.

    Attributes:
        images: N paths, as given.
        sets: N words, "train" or "test".
        classes: C names; none where there are no labels.
        labels: (N,) int; NO_LABEL where a photograph has none.
        probabilities: (N, C) that the labels were held against; NaN where there are none.
        doubts: what follows from them.
        familiarity: (N,) float64, the lower the stranger; NaN where it is not known.
        groups: (N,) int, equal for photographs of one patient or lesion, and for copies.
        features: (N, D) unit rows, zeros where a photograph cannot be read; None without an encoder.
        facts: how the labels were judged and what familiarity means, as names and sentences.
        columns: of the labels, see there.
    """

    images: Sequence[str]
    sets: Sequence[str]
    classes: tuple[str, ...]
    labels: Integers
    probabilities: Floats
    doubts: LabelDoubts
    familiarity: Floats
    groups: Integers
    features: npt.NDArray[np.float32] | None = None
    facts: Sequence[tuple[str, str]] = field(default=())
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def by_label(self) -> Integers:
        """The rows whose label was judged, the most doubtful first."""
        return _ascending(self.doubts.quality)

    @cached_property
    def by_familiarity(self) -> Integers:
        """The rows whose familiarity is known, the strangest first."""
        return _ascending(self.familiarity)

    @property
    def doubtful(self) -> int:
        """How many labels are doubtful."""
        return int(self.doubts.doubtful.sum())

    @property
    def headline(self) -> str:
        """How many of the labels that were judged are doubtful, in words."""
        return (
            f"{self.doubtful} of {counted(len(self.by_label), 'label')} {agrees(self.doubtful, 'is', 'are')} doubtful"
        )

    def label(self, row: int) -> str:
        """The name of the label of a photograph; empty where it has none."""
        return self.classes[self.labels[row]] if self.labels[row] != NO_LABEL else ""

    def suggestion(self, row: int) -> str:
        """The name of the class that is more probable for a photograph than any other; empty where none is known."""
        found = self.doubts.suggested[row]
        return self.classes[found] if found != NO_LABEL else ""

    def to_frame(self) -> pd.DataFrame:
        """One row per photograph, likely label errors first, then by familiarity; docs/audit.md says what is in it."""
        rows = range(len(self.images))
        judged = self.doubts.suggested != NO_LABEL
        frame = pd.DataFrame(
            {
                "image": [printable(image) for image in self.images],
                "set": list(self.sets),
                "true_label": [self.label(row) for row in rows],
                "suggested_label": [self.suggestion(row) for row in rows],
                "probability_of_label": _cells(self._probability(self.labels, judged)),
                "probability_of_suggestion": _cells(self._probability(self.doubts.suggested, judged)),
                "label_quality": _cells(self.doubts.quality),
                "doubtful": [
                    "yes" if doubt else "no" if known else ""
                    for doubt, known in zip(self.doubts.doubtful, judged, strict=True)
                ],
                "label_rank": _ranks(self.by_label, len(rows)),
                "familiarity": _cells(self.familiarity),
                "familiarity_rank": _ranks(self.by_familiarity, len(rows)),
            }
        )
        last = len(rows)
        order = sorted(
            rows, key=lambda row: (frame["label_rank"][row] or last + 1, frame["familiarity_rank"][row] or last + 1)
        )
        return frame.iloc[order].reset_index(drop=True)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table of `to_frame` as CSV; the file is replaced whole or not at all."""
        write_csv(self.to_frame(), Path(path))

    def to_dict(self) -> dict[str, object]:
        """The figures, ready for JSON."""
        return {
            "judged": len(self.by_label),
            "doubtful": self.doubtful,
            "doubtful_by_label": {self.classes[k]: count for k, count in self._doubtful_by_label().items()},
            "likely_label_errors": [
                {
                    "image": printable(self.images[row]),
                    "true_label": self.label(row),
                    "suggested_label": self.suggestion(row),
                    "label_quality": round(float(self.doubts.quality[row]), 6),
                }
                for row in self.by_label[:NAMED].tolist()
            ],
            "least_familiar": [
                {"image": printable(self.images[row]), "familiarity": round(float(self.familiarity[row]), 6)}
                for row in self.by_familiarity[:NAMED].tolist()
            ],
            "how": dict(self.facts),
        }

    def to_markdown(self) -> str:
        """The first of either kind as tables, and how they were found."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.by_label.size:
            yield f"Likely label errors: {self.headline}. The first:\n"
            yield "| | photograph | label | suggested | quality of the label |"
            yield "|--:|---|---|---|--:|"
            for rank, row in enumerate(self.by_label[:NAMED].tolist(), start=1):
                names = " | ".join(map(_in_table, (self.images[row], self.label(row), self.suggestion(row))))
                yield f"| {rank} | {names} | {self.doubts.quality[row]:.3f} |"
            yield ""
        if self.by_familiarity.size:
            yield "Perhaps off topic: the least familiar photographs. The first:\n"
            yield "| | photograph | familiarity |"
            yield "|--:|---|--:|"
            for rank, row in enumerate(self.by_familiarity[:NAMED].tolist(), start=1):
                yield f"| {rank} | {_in_table(self.images[row])} | {self.familiarity[row]:.3f} |"
            yield ""
        yield from (f"{name}: {text}." for name, text in self.facts)

    def _doubtful_by_label(self) -> Counter[int]:
        return Counter(self.labels[self.doubts.doubtful].tolist())

    def _probability(self, classes: Integers, judged: npt.NDArray[np.bool_]) -> Floats:
        """(N,) the probability of one class for each photograph; NaN where it was not judged."""
        found = np.full(len(classes), np.nan)
        rows = np.flatnonzero(judged)
        found[rows] = self.probabilities[rows, classes[rows]]
        return found


def find_suspects(audit: AuditReport, labels: Labels | None = None) -> Suspects:
    """Rank the photographs of an audit by how doubtful their labels are, and by how unlike the others they look.

    Photographs of one patient or lesion, as the audit's group columns say, are judged by those of others only; so are
    copies, which the audit found. Without embeddings nothing is said of familiarity. Labels that cannot be judged are
    left alone, and the facts say why.

    Args:
        audit: of one or two sets; with embeddings, if ``labels`` has no probabilities.
        labels: None leaves labels alone.

    Raises:
        InputError: labels are given, and neither embeddings nor probabilities.
        MissingDependencyError: cleanlab is not installed.
    """
    images = audit.paths
    count = len(images)
    readable = np.array([image not in audit.errors for image in images])
    copies = [(pair.one, pair.other) for pair in audit.pairs if pair.kind != "embedding"]
    groups = joined(count, audit.groups.values(), copies)
    facts: list[tuple[str, str]] = []
    if labels is not None:
        labels = replace(labels, given=np.where(readable, labels.given, NO_LABEL))
        why = _why_not_judged(labels, audit, groups)
        if labels.probabilities is None and not why:
            labels = _judged(labels, audit, groups)
            few = sorted(set(labels.given.tolist()) - set(checkable(labels.given, groups).tolist()) - {NO_LABEL})
            if few:
                named = ", ".join(labels.classes[number] for number in few)
                facts.append(("Not judged", f"classes of fewer than {FOLDS} patients, lesions or images: {named}"))
        facts.insert(0, ("Labels were not judged", why) if why else ("Labels held against", labels.source))
        if without := int((labels.given[readable] == NO_LABEL).sum()):
            facts.append(("Without a label", f"{without} of {counted(int(readable.sum()), 'image')}"))
    if audit.features is not None:
        facts.append(("Familiarity", f"mean cosine with the nearest {NEIGHBOURS} other images, {audit.encoder}"))
    nothing = np.full((count, 0), np.nan)
    return Suspects(
        images=images,
        sets=[name for name, own in zip(("train", "test"), audit.sets, strict=False) for _ in own.paths],
        classes=() if labels is None else labels.classes,
        labels=np.full(count, NO_LABEL, np.int64) if labels is None else labels.given,
        probabilities=nothing if labels is None or labels.probabilities is None else labels.probabilities,
        doubts=_doubts(labels, count),
        familiarity=np.full(count, np.nan) if audit.features is None else familiarities(audit.features, readable),
        groups=groups,
        features=audit.features,
        facts=tuple(facts),
        columns={} if labels is None else labels.columns,
    )


def _why_not_judged(labels: Labels, audit: AuditReport, groups: Integers) -> str:
    """Why there is nothing that the labels could be held against; empty where there is."""
    if len(labels.classes) < 2:
        return f"all of them are {labels.classes[0]}, and there is no other class that they could be mistaken for"
    if labels.probabilities is not None:
        known = (labels.given != NO_LABEL) & np.isfinite(labels.probabilities).all(axis=1)
        return "" if known.any() else f"no photograph with a label has probabilities in {labels.source}"
    if audit.features is None:
        raise InputError("labels need predictions or an encoder to be held against; give --predictions, or a --model")
    if len(checkable(labels.given, groups)) < 2:
        return (
            f"fewer than two classes have {FOLDS} patients, lesions or images to hold labels against each other; "
            "--predictions of a model that did not see these labels need no such number"
        )
    return ""


def _judged(labels: Labels, audit: AuditReport, groups: Integers) -> Labels:
    """The labels with probabilities from the photographs of other groups."""
    assert audit.features is not None
    source = f"a classifier on embeddings that saw no image of the same group, {FOLDS} parts, {audit.encoder}"
    table = cross_fitted(audit.features, labels.given, groups, len(labels.classes))
    return replace(labels, probabilities=table, source=source)


def _doubts(labels: Labels | None, count: int) -> LabelDoubts:
    if labels is None or labels.probabilities is None:
        return LabelDoubts.none(count)
    return label_doubts(labels.given, labels.probabilities)


def _ascending(scores: Floats) -> Integers:
    """The rows that have a score, the lowest first; of equal ones the first."""
    order = np.argsort(scores, kind="stable")
    return order[np.isfinite(scores[order])]


def _ranks(order: Integers, count: int) -> list[object]:
    """The place of each row in an order, from 1; empty for those that are not in it."""
    ranks: list[object] = [""] * count
    for rank, row in enumerate(order.tolist(), start=1):
        ranks[row] = rank
    return ranks


def _cells(values: Floats) -> list[object]:
    return ["" if np.isnan(value) else round(float(value), 6) for value in values]


def _in_table(text: str) -> str:
    return one_line(printable(text)).replace("|", "\\|")
