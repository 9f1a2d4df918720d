"""Images and their captions, as batches.

What is drawn, how it is cropped and how captions are worded depends on the seed, the epoch and the draw alone, never on
the number of worker processes. Workers decode images and draw their effects; the effects themselves are computed where
the encoder is, a batch at a time (`tower_input`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from zsderm.errors import ImageError
from zsderm.pretrain.config import CAPTION_KINDS, Augmentation, TrainConfig
from zsderm.pretrain.data.augmentation import COLUMNS, apply_effects, draw_effects
from zsderm.pretrain.data.captions import CaptionWriter
from zsderm.pretrain.data.records import Record
from zsderm.pretrain.data.squares import KeptSquares, Squares


@dataclass(frozen=True)
class Batch:
    """B images with T captions each.

    Attributes:
        squares: (B, 3, S0, S0) uint8; or (B,) int64, the places of the images among squares that the device holds.
        effects: (B, COLUMNS) float32, see zsderm.pretrain.data.augmentation.
        captions: B lists of T strings.
        mask: (B, T) bool, True where the caption exists.
        skipped: images that could not be read and are missing here.
    """

    squares: Tensor
    effects: Tensor
    captions: list[list[str]]
    mask: Tensor
    skipped: int


class Item(NamedTuple):
    """One image of a batch."""

    square: Tensor  # (3, S0, S0) uint8, or () int64
    effects: Tensor  # (COLUMNS,) float32
    captions: list[str]


class CaptionedImages(Dataset[Item | None]):
    """Images with captions, as drawn; the index of an item is (record, seed of the draw).

    Args:
        records: the images.
        writer: words the captions of labelled records.
        squares: the images, decoded.
        augmentation: how strong the effects are.
        kinds: which captions there are, of CAPTION_KINDS; the others are empty.
        places_only: items say where their square is instead of carrying it.
    """

    def __init__(
        self,
        records: Sequence[Record],
        writer: CaptionWriter,
        squares: Squares | KeptSquares,
        augmentation: Augmentation,
        kinds: Sequence[str] = CAPTION_KINDS,
        places_only: bool = False,
    ) -> None:
        self.records = records
        self.writer = writer
        self.squares = squares
        self.augmentation = augmentation
        self.kinds = frozenset(kinds)
        self.places_only = places_only

    def __len__(self) -> int:
        """Number of records."""
        return len(self.records)

    def __getitem__(self, draw: tuple[int, int]) -> Item | None:
        """One image and its captions, or None when the image cannot be read."""
        index, seed = draw
        record = self.records[index]
        try:
            pixels, aspect = self.squares[index]
        except ImageError:
            return None
        effects = draw_effects(self.augmentation, seed, aspect)
        texts = self.writer.write(record.case, random.Random(seed)).texts if record.case else record.captions
        captions = [text if _kind(place) in self.kinds else "" for place, text in enumerate(texts)]
        return Item(torch.tensor(index) if self.places_only else pixels, effects, captions)


def _kind(place: int) -> str:
    return CAPTION_KINDS[min(place, len(CAPTION_KINDS) - 1)]  # from the fourth place on, all are sub-captions


def collate(items: Sequence[Item | None]) -> Batch:
    """Stack what could be read and count what could not."""
    read = [item for item in items if item is not None]
    captions = [item.captions for item in read]
    return Batch(
        squares=torch.stack([item.square for item in read]) if read else torch.empty(0),
        effects=torch.stack([item.effects for item in read]) if read else torch.empty(0, COLUMNS),
        captions=captions,
        mask=torch.tensor([[bool(text) for text in row] for row in captions], dtype=torch.bool),
        skipped=len(items) - len(read),
    )


def tower_input(batch: Batch, config: TrainConfig, device: torch.device, resident: Tensor | None = None) -> Tensor:
    """The images of a batch as the image tower takes them: with their effects, normalised.

    Args:
        batch: B images.
        config: size, mean and standard deviation of the colours.
        device: where the tower is.
        resident: (N, 3, S0, S0) uint8, all squares of the run on the device, where the batch only names places.

    Returns:
        (B, 3, S, S) float32 on the device, channels last.
    """
    squares = batch.squares.to(device, non_blocking=True)
    pixels = apply_effects(squares if resident is None else resident[squares], batch.effects, config.image_size)
    mean, std = (pixels.new_tensor(config.preprocess_cfg[name])[:, None, None] for name in ("mean", "std"))
    return ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)
