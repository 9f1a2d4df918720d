"""What the page shows of one lesion or patient with several photographs: a line of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zsderm.errors import InputError
from zsderm.groups import GroupPredictions


@dataclass(frozen=True)
class GroupRow:
    """One group."""

    group: str
    label: str  # empty where none of the photographs could be read
    probability: float
    images: int
    unreadable: int
    agreement: float  # share of the readable photographs that have the label themselves
    error: str
    true: str  # the label of all its photographs that have one; empty when unknown
    mixed: bool  # its photographs have several labels
    below: float | None  # the least probability that was asked for, where the answer has less

    @property
    def verdict(self) -> str:
        """``right`` or ``wrong``; empty where the truth or the answer is missing."""
        if not (self.true and self.label):
            return ""
        return "right" if self.label == self.true else "wrong"


@dataclass(frozen=True)
class GroupTable:
    """The groups, and in one line the photographs that belong to none: each of those was answered by itself."""

    by: str
    lines: tuple[GroupRow, ...]
    unknown: tuple[GroupRow, ...]

    @property
    def right(self) -> int:
        """Groups that were answered as labelled."""
        return _count(self.lines, "right")

    @property
    def labelled(self) -> int:
        """Groups with an answer and a label."""
        return self.right + _count(self.lines, "wrong")

    @property
    def unknown_right(self) -> int:
        """Photographs without a group that were answered as labelled."""
        return _count(self.unknown, "right")

    @property
    def unknown_labelled(self) -> int:
        """Photographs without a group that have an answer and a label."""
        return self.unknown_right + _count(self.unknown, "wrong")


def group_table(groups: GroupPredictions, true: NDArray[np.int_]) -> GroupTable:
    """All groups.

    Args:
        groups: answers for N photographs and G groups.
        true: (N,) int, the index of the true class of each photograph, negative where it is unknown.

    Raises:
        InputError: groups of another number of photographs.
    """
    if len(groups.members.group_of) != len(true):
        raise InputError(f"expected `groups` of {len(true)} images, but got {len(groups.members.group_of)}")
    rows = list(group_rows(groups, true))
    lonely = set(groups.photographs.images) if groups.members.alone else set()
    known = tuple(row for row in rows if row.group not in lonely)
    return GroupTable(groups.by, known, tuple(row for row in rows if row.group in lonely))


def group_rows(groups: GroupPredictions, true: NDArray[np.int_]) -> Iterator[GroupRow]:
    """One line for each group, in their order; see `group_table`."""
    answers, classes = groups.answers, groups.answers.classes
    truths: list[set[int]] = [set() for _ in answers.images]
    for group, label in zip(groups.members.group_of.tolist(), true.tolist(), strict=True):
        if label >= 0:
            truths[group].add(label)
    facts = (answers.labels, answers.confidence.tolist(), groups.sizes.tolist(), groups.unreadable.tolist())
    below = answers.below_minimum.tolist()
    for index, (label, probability, images, unreadable) in enumerate(zip(*facts, strict=True)):
        known = truths[index]
        yield GroupRow(
            group=answers.images[index],
            label=label,
            probability=probability,
            images=images,
            unreadable=unreadable,
            agreement=float(groups.agreement[index]),
            error="" if label else answers.errors[answers.images[index]],
            true=classes[next(iter(known))] if len(known) == 1 else "",
            mixed=len(known) > 1,
            below=answers.minimum if below[index] else None,
        )


def _count(lines: tuple[GroupRow, ...], verdict: str) -> int:
    return sum(line.verdict == verdict for line in lines)
