"""Labelled images as batches: squares, the effects that are drawn for them, and the place of their class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from zsderm.errors import ImageError, PretrainingDataError
from zsderm.knowledge.names import repeated
from zsderm.pretrain.data.augmentation import COLUMNS, draw_effects
from zsderm.pretrain.data.records import Record
from zsderm.pretrain.data.sources import read_records
from zsderm.pretrain.data.squares import KeptSquares, Squares
from zsderm.pretrain.run_settings import Augmentation
from zsderm.pretrain.supervised.config import SupervisedConfig


@dataclass(frozen=True)
class LabelledBatch:
    """B images with their classes.

    Attributes:
        squares: (B, 3, S0, S0) uint8; or (B,) int64, the places of the images among squares that the device holds.
        effects: (B, COLUMNS) float32, see zsderm.pretrain.data.augmentation.
        labels: (B,) int64, places among the classes.
        skipped: images that could not be read and are missing here.
    """

    squares: Tensor
    effects: Tensor
    labels: Tensor
    skipped: int = 0

    def __len__(self) -> int:
        """B."""
        return len(self.labels)


Sample = tuple[Tensor, Tensor, int]


class LabelledImages(Dataset[Sample | None]):
    """Labelled images, as drawn; the index of an item is (record, seed of the draw).

    Args:
        labels: N places among the classes.
        squares: the N images, decoded.
        augmentation: how strong the effects are.
        places_only: items say where their square is instead of carrying it.
    """

    def __init__(
        self,
        labels: Sequence[int],
        squares: Squares | KeptSquares,
        augmentation: Augmentation,
        places_only: bool = False,
    ) -> None:
        self.labels = labels
        self.squares = squares
        self.augmentation = augmentation
        self.places_only = places_only

    def __len__(self) -> int:
        """N."""
        return len(self.labels)

    def __getitem__(self, draw: tuple[int, int]) -> Sample | None:
        """One image with its effects and its class, or None when the image cannot be read."""
        index, seed = draw
        try:
            pixels, aspect = self.squares[index]
        except ImageError:
            return None
        square = torch.tensor(index) if self.places_only else pixels
        return square, draw_effects(self.augmentation, seed, aspect), self.labels[index]


def stacked(items: Sequence[Sample | None]) -> LabelledBatch:
    """Stack what could be read and count what could not."""
    read = [item for item in items if item is not None]
    return LabelledBatch(
        squares=torch.stack([square for square, _, _ in read]) if read else torch.empty(0),
        effects=torch.stack([effects for _, effects, _ in read]) if read else torch.empty(0, COLUMNS),
        labels=torch.tensor([label for _, _, label in read], dtype=torch.long),
        skipped=len(items) - len(read),
    )


def labelled_records(config: SupervisedConfig, root: Path) -> tuple[list[Record], tuple[str, ...], list[int]]:
    """The images of all tables, the classes, and the place of each image among them.

    Args:
        config: tables, classes and labels to leave out.
        root: the data folder.

    Returns:
        N records, K classes in the order of the head, N places.

    Raises:
        PretrainingDataError: a table has no labels, there are fewer than two, two are spellings of one, an image
            has two, or one is none of the classes.
    """
    records = read_records(config, root)
    labels: list[str] = []
    shown: dict[tuple[str, object], str] = {}
    for record in records:
        if record.case is None:
            raise PretrainingDataError(f"{record.table} has no column 'label', which a supervised run learns.")
        labels.append(record.case.label)
        if (other := shown.setdefault((str(record.path), record.span), labels[-1])) != labels[-1]:
            raise PretrainingDataError(
                f"{record.path} is {other!r} in one row and {labels[-1]!r} in another. Keep one."
            )
    classes = config.classes or tuple(sorted(set(labels)))
    if strange := sorted(set(labels) - set(classes)):
        raise PretrainingDataError(
            f"Setting `classes` lacks {', '.join(strange)}, which the tables have. Add them, or set `leave_out`."
        )
    if empty := [name for name in classes if name not in labels]:
        raise PretrainingDataError(f"Setting `classes` names {', '.join(empty)}, but no table has such an image.")
    if twins := repeated(classes):
        raise PretrainingDataError(
            f"The labels {twins[0]!r} and {twins[1]!r} are one name, spelt in two ways. Write it in one way."
        )
    if len(classes) < 2:
        raise PretrainingDataError(f"Expected at least two classes to tell apart, but the tables have: {classes[0]}.")
    return records, classes, [classes.index(label) for label in labels]
