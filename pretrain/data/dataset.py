"""Images and their captions, as batches.

What is drawn, how it is cropped and how captions are worded depends on the seed, the epoch and the draw alone, never on
the number of worker processes. Workers decode images and draw their effects; the effects themselves are computed where
the encoder is, a batch at a time (`tower_input`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from zsderm.errors import ImageError
from zsderm.pretrain.config import CAPTION_KINDS, Augmentation
from zsderm.pretrain.data.augmentation import COLUMNS, apply_effects, draw_effects
from zsderm.pretrain.data.captions import Captions, CaptionWriter
from zsderm.pretrain.data.records import Record
from zsderm.pretrain.data.squares import KeptSquares, Squares
from zsderm.pretrain.run_settings import RunSettings


class DrawnImages(Protocol):
    """The images of a batch before their effects, whatever is known of them."""

    @property
    def squares(self) -> Tensor:
        """(B, 3, S0, S0) uint8; or (B,) int64, the places of the images among squares that the device holds."""

    @property
    def effects(self) -> Tensor:
        """(B, COLUMNS) float32, see zsderm.pretrain.data.augmentation."""


@dataclass(frozen=True)
class Batch:
    """B images with T captions each.

    Attributes:
        squares: (B, 3, S0, S0) uint8; or (B,) int64, the places of the images among squares that the device holds.
        effects: (B, COLUMNS) float32, see zsderm.pretrain.data.augmentation.
        captions: B lists of T strings.
        mask: (B, T) bool, True where the caption exists.
        labels: B diagnoses as the data set spells them, empty where there is none.
        about: B lists of T names, as in `Captions`; empty where the caption is missing.
        skipped: images that could not be read and are missing here.
    """

    squares: Tensor
    effects: Tensor
    captions: list[list[str]]
    mask: Tensor
    labels: list[str]
    about: list[list[str]]
    skipped: int = 0

    def __len__(self) -> int:
        """B."""
        return len(self.captions)

    def part(self, images: slice) -> Batch:
        """Some of the images; those that are missing are counted in the whole batch only."""
        return Batch(
            squares=self.squares[images],
            effects=self.effects[images],
            captions=self.captions[images],
            mask=self.mask[images],
            labels=self.labels[images],
            about=self.about[images],
        )


@dataclass(frozen=True)
class Sample:
    """One image with its captions.

    Attributes:
        square: (3, S0, S0) uint8; or () int64, its place among squares that the device holds.
        effects: (COLUMNS,) float32.
        captions: T strings, and what each of them is about.
        label: diagnosis as the data set spells it, empty where there is none.
    """

    square: Tensor
    effects: Tensor
    captions: Captions
    label: str = ""


class CaptionedImages(Dataset[Sample | None]):
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

    def __getitem__(self, draw: tuple[int, int]) -> Sample | None:
        """One image and its captions, or None when the image cannot be read."""
        index, seed = draw
        record = self.records[index]
        try:
            pixels, aspect = self.squares[index]
        except ImageError:
            return None
        square = torch.tensor(index) if self.places_only else pixels
        effects = draw_effects(self.augmentation, seed, aspect)
        if record.case is None:
            captions = Captions(record.captions, ("",) * len(record.captions))
            return Sample(square, effects, self._wanted(captions))
        captions = self.writer.write(record.case, random.Random(seed))
        return Sample(square, effects, self._wanted(captions), record.case.label)

    def _wanted(self, captions: Captions) -> Captions:
        wanted = [_kind(place) in self.kinds for place in range(len(captions.texts))]
        return Captions(
            texts=tuple(text if kept else "" for kept, text in zip(wanted, captions.texts, strict=True)),
            about=tuple(name if kept else "" for kept, name in zip(wanted, captions.about, strict=True)),
        )


def _kind(place: int) -> str:
    return CAPTION_KINDS[min(place, len(CAPTION_KINDS) - 1)]  # from the fourth place on, all are sub-captions


def collate(items: Sequence[Sample | None]) -> Batch:
    """Stack what could be read and count what could not."""
    read = [item for item in items if item is not None]
    captions = [list(item.captions.texts) for item in read]
    return Batch(
        squares=torch.stack([item.square for item in read]) if read else torch.empty(0),
        effects=torch.stack([item.effects for item in read]) if read else torch.empty(0, COLUMNS),
        captions=captions,
        mask=torch.tensor([[bool(text) for text in row] for row in captions], dtype=torch.bool),
        labels=[item.label for item in read],
        about=[list(item.captions.about) for item in read],
        skipped=len(items) - len(read),
    )


def tower_input(
    batch: DrawnImages, config: RunSettings, device: torch.device, resident: Tensor | None = None
) -> Tensor:
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
