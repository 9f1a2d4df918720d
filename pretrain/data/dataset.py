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
from zsderm.pretrain.data.captions import CaptionWriter
from zsderm.pretrain.data.records import Record, image_bytes


@dataclass(frozen=True)
class Batch:
    """B images with T captions each.

    Attributes:
        pixels: (B, 3, H, W) float32, normalised.
        captions: B lists of T strings.
        mask: (B, T) bool, True where the caption exists.
        skipped: images that could not be read and are missing here.
    """

    pixels: Tensor
    captions: list[list[str]]
    mask: Tensor
    skipped: int


class CaptionedImages(Dataset[tuple[Tensor, list[str]] | None]):
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

    def __getitem__(self, draw: tuple[int, int]) -> tuple[Tensor, list[str]] | None:
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
        texts = self.writer.write(record.case, random.Random(seed)).texts if record.case else record.captions
        return pixels, [text if _kind(place) in self.kinds else "" for place, text in enumerate(texts)]


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


def collate(items: Sequence[tuple[Tensor, list[str]] | None]) -> Batch:
    """Stack what could be read and count what could not."""
    read = [item for item in items if item is not None]
    captions = [captions for _, captions in read]
    return Batch(
        pixels=torch.stack([pixels for pixels, _ in read]) if read else torch.empty(0),
        captions=captions,
        mask=torch.tensor([[bool(text) for text in row] for row in captions], dtype=torch.bool),
        skipped=len(items) - len(read),
    )
