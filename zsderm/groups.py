"""Several photographs of one lesion or one patient: one answer for all of them, beside the answers for each.

The embedding of a group is the mean of the unit rows of those of its photographs that could be read, made a unit row
again. It is classified as a photograph is.

Letters: N images, G groups, C classes, D embedding width.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import normalize

from zsderm.embeddings import NamedEmbeddings
from zsderm.errors import InputError
from zsderm.manifest_files import write_with_manifest
from zsderm.predictions import Predictions

# What a table of answers for groups has in its first or last bytes, see `zsderm.atomic_files.refuse_others`.
MARK = re.compile(
    rb'\A(\xef\xbb\xbf)?"?group"?,"?(label|class)|\A\{"group": |\bunreadable\b.{0,4096}\bagreement\b', re.DOTALL
)


@dataclass(frozen=True, eq=False)
class ImageGroups:
    """Which images belong together.

    Attributes:
        names: G distinct names, in the order in which the groups first occur.
        group_of: (N,) int64, the group of each image.
        alone: how many images belong to no group that is known; each of them is a group of its own, by its own name.
    """

    names: tuple[str, ...]
    group_of: torch.Tensor
    alone: int

    @classmethod
    def of(cls, groups: Sequence[str], images: Sequence[str]) -> ImageGroups:
        """Put images together.

        Args:
            groups: N names of groups; an empty one where the group is not known.
            images: N names of images; one that is named twice is one group if it has no other.

        Raises:
            InputError: not one group for each image, or a group that is called like an image without a group.
        """
        if isinstance(groups, str) or len(groups) != len(images):
            got = f"the text {groups[:40]!r}" if isinstance(groups, str) else len(groups)
            raise InputError(f"expected `groups` to have one name for each of {len(images)} images, but got {got}")
        lonely = {image for group, image in zip(groups, images, strict=True) if not group}
        if both := sorted(lonely & set(groups)):
            raise InputError(f"the image {both[0]!r} has no group, but a group is called like it. Rename the group.")
        named = [group or image for group, image in zip(groups, images, strict=True)]
        place = {name: number for number, name in enumerate(dict.fromkeys(named))}
        where = torch.tensor([place[name] for name in named], dtype=torch.int64)
        return cls(tuple(place), where, sum(not group for group in groups))

    def __len__(self) -> int:
        """G."""
        return len(self.names)

    def count(self, which: torch.Tensor | np.ndarray) -> torch.Tensor:
        """(G,) int64, how many images of each group are among those that (N,) bool says."""
        return torch.bincount(self.group_of[torch.as_tensor(which)], minlength=len(self))

    def shared(self, values: Sequence[str]) -> list[str]:
        """G values: the one that all images of a group have whose value is not empty; empty where they differ."""
        found: list[set[str]] = [set() for _ in self.names]
        for group, value in zip(self.group_of.tolist(), values, strict=True):
            found[group] |= {value} if value else set()
        return ["".join(one) if len(one) == 1 else "" for one in found]

    def agree(self, values: Sequence[str]) -> bool:
        """Whether no group has images with different ones of N values; an empty value is none."""
        pairs = {(group, value) for group, value in zip(self.group_of.tolist(), values, strict=True) if value}
        return len(pairs) == len({group for group, _ in pairs})

    def means(self, images: NamedEmbeddings) -> NamedEmbeddings:
        """The embedding of each group: the mean of the unit rows of its readable images, made a unit row again.

        Args:
            images: N embedded images.

        Returns:
            G embedded groups; one without a readable image has no row and a reason.
        """
        owners = self.group_of[torch.as_tensor(images.ok)]  # (n,)
        totals = torch.zeros(len(self), images.features.shape[1]).index_add_(0, owners, images.features)  # (G, D)
        sizes = torch.bincount(self.group_of, minlength=len(self)).tolist()
        ok = (self.count(images.ok) > 0).numpy()  # (G,)
        errors = {
            self.names[group]: reason if sizes[group] == 1 else f"none of its {sizes[group]} photographs could be read"
            for group, reason in self._reasons(images)
            if not ok[group]
        }
        return NamedEmbeddings(self.names, normalize(totals[torch.as_tensor(ok)], dim=1), ok, errors)

    def _reasons(self, images: NamedEmbeddings) -> Iterator[tuple[int, str]]:
        """The group of each image that could not be read, and why."""
        for group, name, ok in zip(self.group_of.tolist(), images.names, images.ok, strict=True):
            if not ok:
                yield group, images.errors[name]


@dataclass(frozen=True, eq=False)
class GroupPredictions:
    """The answers for N photographs, and for the G lesions or patients that they show.

    Attributes:
        photographs: N rows, as without groups.
        answers: G rows, each from the mean embedding of a group; ``images`` are the names of the groups. A group
            without a readable photograph has NaN and a reason. There is no familiarity: the mean of several photographs
            lies nearer to everything than one does, so that thresholds for single photographs do not hold.
        members: which photograph is of which group.
        by: what the groups are, such as "lesion_id"; may be empty.
    """

    photographs: Predictions
    answers: Predictions
    members: ImageGroups
    by: str = ""

    @property
    def sizes(self) -> torch.Tensor:
        """(G,) int64: photographs of each group."""
        return self.members.count(torch.ones(len(self.photographs), dtype=torch.bool))

    @property
    def unreadable(self) -> torch.Tensor:
        """(G,) int64: how many of them could not be read."""
        return self.members.count(~self.photographs.ok)

    @property
    def agreement(self) -> torch.Tensor:
        """(G,) float32: the share of its readable photographs that have the label of the group; NaN without any."""
        labels, answers = self.photographs.labels, self.answers.labels
        same = [label == answers[group] for label, group in zip(labels, self.members.group_of.tolist(), strict=True)]
        agreeing = self.members.count(torch.tensor(same, dtype=torch.bool) & self.photographs.ok)
        return agreeing / (self.sizes - self.unreadable)

    def to_frame(self, top_k: int = 3, layout: str = "wide") -> pd.DataFrame:
        """One row per group, or group and class: the columns of `Predictions.to_frame`, with ``group`` for ``image``.

        Before ``method`` stand images (how many photographs), unreadable (how many of them could not be read) and
        agreement (see there).

        Args:
            top_k: how many classes to name; clipped to the number of classes.
            layout: "wide" or "long".
        """
        frame = self.answers.to_frame(top_k, layout).rename(columns={"image": "group"})
        facts = {"images": self.sizes, "unreadable": self.unreadable, "agreement": self.agreement}
        start, times = frame.columns.get_loc("method"), len(frame) // max(1, len(self.answers))
        for place, (name, values) in enumerate(facts.items()):
            frame.insert(start + place, name, values.repeat_interleave(times).numpy())
        return frame

    def save(self, path: str | os.PathLike[str], top_k: int = 3, layout: str = "wide") -> None:
        """Write the table of ``to_frame`` in the format that the suffix names, as `Predictions.save` does.

        Raises:
            SettingsError: another suffix, or a place that cannot be written.
        """
        write_with_manifest(self.to_frame(top_k, layout), path, self.answers.facts, self.answers.nested(layout))


def group_predictions(
    photographs: Predictions, answers: Predictions, members: ImageGroups, by: str = ""
) -> GroupPredictions:
    """Put both together, with the groups in both manifests."""
    facts: dict[str, dict[str, object]] = {"groups": {"by": by, "groups": len(members), "images_alone": members.alone}}
    if answers.unrefined_labels is not None:
        facts["groups"]["changed_by_refinement"] = int(answers.changed.sum())
    rows = replace(photographs, manifest={**photographs.manifest, **facts})
    return GroupPredictions(rows, replace(answers, familiarity=None, energy=None, manifest=rows.manifest), members, by)


def groups_file(path: Path) -> Path:
    """Where the answers for groups stand beside a table of answers for images: FILE-groups.csv beside FILE.csv."""
    return path.with_name(f"{path.stem}-groups{path.suffix}")
