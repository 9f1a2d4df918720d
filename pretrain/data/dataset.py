"""Images and their captions, as batches.

What is drawn, how it is cropped and how captions are worded depends on the seed, the epoch and the draw alone, never on
the number of worker processes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from zsderm.errors import ImageError
from zsderm.images import open_image
from zsderm.pretrain.config import CAPTION_KINDS, TrainConfig
from zsderm.pretrain.data.captions import Captions, CaptionWriter
from zsderm.pretrain.data.records import Record, image_bytes


@dataclass(frozen=True)
class Batch:
    """B images with T captions each.

    Attributes:
        pixels: (B, 3, H, W) float32, normalised.
        captions: B lists of T strings.
        mask: (B, T) bool, True where the caption exists.
        labels: B diagnoses as the data set spells them, empty where there is none.
        about: B lists of T names, as in `Captions`; empty where the caption is missing.
        skipped: images that could not be read and are missing here.
    """

    pixels: Tensor
    captions: list[list[str]]
    mask: Tensor
    labels: list[str]
    about: list[list[str]]
    skipped: int = 0

    def part(self, images: slice) -> Batch:
        """Some of the images; those that are missing are counted in the whole batch only."""
        return Batch(
            pixels=self.pixels[images],
            captions=self.captions[images],
            mask=self.mask[images],
            labels=self.labels[images],
            about=self.about[images],
        )


@dataclass(frozen=True)
class Sample:
    """One image with its captions.

    Attributes:
        pixels: (3, H, W) float32, normalised.
        captions: T strings, and what each of them is about.
        label: diagnosis as the data set spells it, empty where there is none.
    """

    pixels: Tensor
    captions: Captions
    label: str = ""


class CaptionedImages(Dataset[Sample | None]):
    """Crops of images with captions; the index of an item is (record, seed of the draw).

    Args:
        records: the images.
        writer: words the captions of labelled records.
        transform: PIL image to (3, H, W) float32, random.
        kinds: which captions there are, of CAPTION_KINDS; the others are empty.
    """

    def __init__(
        self,
        records: Sequence[Record],
        writer: CaptionWriter,
        transform: v2.Transform,
        kinds: Sequence[str] = CAPTION_KINDS,
    ) -> None:
        self.records = records
        self.writer = writer
        self.transform = transform
        self.kinds = frozenset(kinds)

    def __len__(self) -> int:
        """Number of records."""
        return len(self.records)

    def __getitem__(self, draw: tuple[int, int]) -> Sample | None:
        """One crop and its captions, or None when the image cannot be read."""
        index, seed = draw
        record = self.records[index]
        try:
            image = open_image(image_bytes(record.path, record.span))
        except ImageError:
            return None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            pixels = self.transform(image)
        if record.case is None:
            return Sample(pixels, self._wanted(Captions(record.captions, ("",) * len(record.captions))))
        return Sample(pixels, self._wanted(self.writer.write(record.case, random.Random(seed))), record.case.label)

    def _wanted(self, captions: Captions) -> Captions:
        wanted = [_kind(place) in self.kinds for place in range(len(captions.texts))]
        return Captions(
            texts=tuple(text if kept else "" for kept, text in zip(wanted, captions.texts, strict=True)),
            about=tuple(name if kept else "" for kept, name in zip(wanted, captions.about, strict=True)),
        )


def _kind(place: int) -> str:
    return CAPTION_KINDS[min(place, len(CAPTION_KINDS) - 1)]  # from the fourth place on, all are sub-captions


def train_transform(config: TrainConfig) -> v2.Transform:
    """Random crop, flips, colour jitter, then the normalisation that travels with the weights."""
    brightness, contrast, saturation, hue = config.jitter
    quarter_turn = v2.RandomApply([v2.RandomRotation((90, 90))], p=0.5)
    return v2.Compose(
        [
            v2.PILToTensor(),
            v2.RandomResizedCrop(config.image_size, scale=config.crop_scale, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            *([quarter_turn] if config.quarter_turns else []),
            v2.RandomApply([v2.ColorJitter(brightness, contrast, saturation, hue)], p=config.jitter_probability),
            v2.RandomGrayscale(p=config.grey_probability),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(config.preprocess_cfg["mean"], config.preprocess_cfg["std"]),
        ]
    )


def collate(items: Sequence[Sample | None]) -> Batch:
    """Stack what could be read and count what could not."""
    read = [item for item in items if item is not None]
    captions = [list(item.captions.texts) for item in read]
    return Batch(
        pixels=torch.stack([item.pixels for item in read]) if read else torch.empty(0),
        captions=captions,
        mask=torch.tensor([[bool(text) for text in row] for row in captions], dtype=torch.bool),
        labels=[item.label for item in read],
        about=[list(item.captions.about) for item in read],
        skipped=len(items) - len(read),
    )
