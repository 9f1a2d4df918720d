"""What ``zsderm evaluate --group-by`` reports: one answer for each lesion or patient, beside those for the photographs.

The answers come from the table that ``zsderm classify --group-by`` wrote beside the predictions, which rests on the
mean embedding of each group. Predictions of other tools have no such table: there a group is answered by the mean of
its photographs' log probabilities. Those are cosines over a temperature, up to a number that is the same for all
classes, so with one set of proxies both name the same class.

Letters: N images, G groups, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zsderm.class_labels import NO_LABEL
from zsderm.cli.probability_columns import class_probabilities
from zsderm.errors import InputError
from zsderm.groups import ImageGroups, groups_file
from zsderm.image_table import ImageTable
from zsderm.long_tables import as_wide
from zsderm.table_files import numbers, read_cells

LEAST = 1e-6  # of a probability; tables of other tools are rounded, and have zeros
MEAN_OF_LOGS = "mean of log probabilities"
_LISTED = 5  # groups named in an error


@dataclass(frozen=True, eq=False)
class LabelledGroups:
    """G' groups with a label.

    Attributes:
        members: all G groups of the N images.
        chosen: (G') int, those with a label.
        true: (G',) int, the class of each.
        units: (G',) names of what the bootstrap draws, empty where unknown; None: it draws groups.
    """

    members: ImageGroups
    chosen: NDArray[np.int_]
    true: NDArray[np.int_]
    units: NDArray[np.object_] | None

    @classmethod
    def of(
        cls,
        members: ImageGroups,
        true: NDArray[np.int_],
        classes: Sequence[str],
        units: NDArray[np.object_] | None,
        where: str,
    ) -> LabelledGroups:
        """Take the label of each group from its photographs.

        Args:
            members: G groups of N images.
            true: (N,) int, the class of each image; NO_LABEL where it is not known.
            classes: C names.
            units: (N,) names, or None.
            where: the table and the column of the groups, for an error.

        Raises:
            InputError: photographs of one group with several labels, or several units.
        """
        spoken = ["" if label == NO_LABEL else classes[label] for label in true.tolist()]
        label_of = _one_each(members, spoken, f"label for all photographs of a group ({where})")
        chosen = np.flatnonzero([bool(label) for label in label_of])
        index = {name: number for number, name in enumerate(classes)}
        drawn = None
        if units is not None:
            unit_of = _one_each(members, units.tolist(), f"cluster for all photographs of a group ({where})")
            drawn = np.array(unit_of, dtype=object)[chosen]
        return cls(members, chosen, np.array([index[label_of[group]] for group in chosen], dtype=np.int_), drawn)

    def answers(
        self, path: Path | str, probabilities: NDArray[np.float64], classes: Sequence[str], order: Sequence[str] | None
    ) -> tuple[NDArray[np.float64], str]:
        """The probabilities of each group with a label, and where they come from.

        Args:
            path: the predictions for the images.
            probabilities: (N, C), what they say; NaN where an image has no prediction.
            classes: C names.
            order: what ``probability_class_i`` stands for; None: the order of ``classes``.

        Returns:
            (G', C), NaN for a group without a prediction; and the name of the file, or MEAN_OF_LOGS.

        Raises:
            InputError: the table of groups beside the predictions is of other groups.
        """
        beside = groups_file(Path(path))
        if beside.is_file():
            return self._stored(beside, classes, order), beside.name
        return combined(self.members, probabilities)[self.chosen], MEAN_OF_LOGS

    def _stored(self, path: Path, classes: Sequence[str], order: Sequence[str] | None) -> NDArray[np.float64]:
        """(G', C) from the table that classify wrote."""
        table = as_wide(ImageTable.of(path, read_cells(path), "group"))
        rows = class_probabilities(table, classes, order)
        if rows is None:
            raise InputError(f"expected a column for each class in {path}. Make it with: zsderm classify --group-by")
        sizes = numbers(table.column("images"))[0]
        place = {name: row for row, name in enumerate(table.names)}
        own = np.bincount(self.members.group_of.numpy(), minlength=len(self.members))
        for group in self.chosen.tolist():
            name = self.members.names[group]
            if name not in place or sizes[place[name]] < own[group]:
                what = "none" if name not in place else f"{sizes[place[name]]:.0f} photographs"
                raise InputError(
                    f"expected the answers for these groups in {path}, but of {name!r} with {own[group]} photographs "
                    f"it knows {what}. Make it again with: zsderm classify --group-by, or move it away"
                )
        return rows[[place[self.members.names[group]] for group in self.chosen.tolist()]]


def combined(members: ImageGroups, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(G, C): the mean of the log probabilities of each group, as probabilities again; NaN for a group without any.

    Args:
        members: G groups of N images.
        probabilities: (N, C), NaN for an image without a prediction; a class below 1e-6 counts as that.
    """
    owners, groups = members.group_of.numpy(), len(members)
    known = ~np.isnan(probabilities).any(axis=1)
    totals = np.zeros((groups, probabilities.shape[1]))
    np.add.at(totals, owners[known], np.log(np.maximum(probabilities[known], LEAST)))
    counts = np.bincount(owners[known], minlength=groups)
    with np.errstate(invalid="ignore"):
        means = totals / counts[:, None]
    return torch.from_numpy(means).softmax(dim=1).numpy()


def _one_each(members: ImageGroups, values: Sequence[str], what: str) -> list[str]:
    """The one value that the images of each group have; empty where none of them has any."""
    found: list[dict[str, None]] = [{} for _ in members.names]
    for group, value in zip(members.group_of.tolist(), values, strict=True):
        if value:
            found[group][value] = None
    several = [(name, list(one)) for name, one in zip(members.names, found, strict=True) if len(one) > 1]
    if several:
        listed = "; ".join(f"{name} ({', '.join(one)})" for name, one in several[:_LISTED])
        more = f"; and {len(several) - _LISTED} more" if len(several) > _LISTED else ""
        raise InputError(f"expected one {what}, but {len(several)} have several: {listed}{more}")
    return [next(iter(one), "") for one in found]


def in_groups(rows: Mapping[str, str]) -> dict[str, str]:
    """Figures by title, where what is counted are groups and not images."""
    return {title.replace("images", "groups"): text for title, text in rows.items()}
