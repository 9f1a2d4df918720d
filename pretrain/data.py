"""Images and their captions, as batches.

Two kinds of table are read: labelled tables, whose captions a `CaptionWriter` words anew at every draw, and tables in
the published MAKE format, whose captions are in the file. What is drawn, how it is cropped and how captions are worded
depends on the seed, the epoch and the draw alone, never on the number of worker processes.
"""

from __future__ import annotations

import ast
import csv
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

from zsderm.errors import ImageError, PretrainingDataError
from zsderm.images import open_image

from .captions import CAPTIONS_PER_IMAGE, SUB_CAPTIONS, CaptionWriter, Case
from .config import Source, TrainConfig


@dataclass(frozen=True)
class Record:
    """One image of a table: a case to write captions for, or captions as found."""

    path: Path
    weight: float
    case: Case | None = None
    captions: tuple[str, ...] = ()


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


def read_records(config: TrainConfig, root: Path) -> list[Record]:
    """The records of all tables, without the labels that the configuration leaves out.

    Args:
        config: tables and labels to leave out.
        root: the data folder that the tables are relative to.

    Raises:
        PretrainingDataError: if a table cannot be read, or a label to leave out occurs in none of them.
    """
    records = [record for source in config.train for record in read_source(source, root)]
    labels = {record.case.label for record in records if record.case}
    if unknown := sorted(set(config.leave_out) - labels):
        raise PretrainingDataError(
            f"Setting `leave_out` names {', '.join(unknown)}, but no table has that label. "
            f"The labels are: {', '.join(sorted(labels))}."
        )
    return [record for record in records if not (record.case and record.case.label in config.leave_out)]


def read_source(source: Source, root: Path) -> list[Record]:
    """The records of one table.

    Args:
        source: which table, which rows, which columns carry which fact.
        root: the data folder that `source.table` is relative to.

    Raises:
        PretrainingDataError: if the table is missing, has no matching row, lacks a column or contradicts itself.
    """
    table = root / source.table
    if not table.is_file():
        raise PretrainingDataError(f"There is no table {table}. Set the data folder with --data-root.")
    with table.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not source.split or row.get("split") == source.split]
    if not rows:
        raise PretrainingDataError(f"{table} has no row with split '{source.split}'.")
    if "filename" not in rows[0]:
        raise PretrainingDataError(f"{table} has no column 'filename'. Its columns: {', '.join(rows[0])}.")
    if "label" in rows[0]:
        return [
            Record(table.parent / row["filename"], source.weight, case=_case_of(row, source, table)) for row in rows
        ]
    return [
        Record(table.parent / row["filename"], source.weight, captions=_captions_of(row, number, table))
        for number, row in enumerate(rows, start=2)
    ]


class CaptionedImages(Dataset[tuple[Tensor, list[str]] | None]):
    """Crops of images with captions; an item is asked for by (record, seed of the draw).

    Args:
        records: the images.
        writer: words the captions of labelled records.
        transform: PIL image to (3, H, W) float32, random.
    """

    def __init__(self, records: Sequence[Record], writer: CaptionWriter, transform: v2.Transform) -> None:
        self.records = records
        self.writer = writer
        self.transform = transform

    def __len__(self) -> int:
        """Number of records."""
        return len(self.records)

    def __getitem__(self, draw: tuple[int, int]) -> tuple[Tensor, list[str]] | None:
        """One crop and its captions, or None when the image cannot be read."""
        index, seed = draw
        record = self.records[index]
        try:
            image = open_image(record.path)
        except ImageError:
            return None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            pixels = self.transform(image)
        captions = self.writer.write(record.case, random.Random(seed)) if record.case else list(record.captions)
        return pixels, captions


class Draws:
    """The draws of one epoch, in batches: rare classes more often than they occur, always from a seeded generator.

    Args:
        records: the images.
        config: batch size, samples per epoch, class balance, seed.
        epoch: which epoch, from 0.
    """

    def __init__(self, records: Sequence[Record], config: TrainConfig, epoch: int) -> None:
        rng = np.random.default_rng([config.seed, epoch])
        weights = draw_weights(records, config.class_balance)
        indices = rng.choice(len(records), size=config.samples_per_epoch, p=weights / weights.sum())
        seeds = rng.integers(2**31, size=config.samples_per_epoch)
        draws = [(int(index), int(seed)) for index, seed in zip(indices, seeds, strict=True)]
        whole = max(1, config.samples_per_epoch // config.batch_size)
        self.batches = [draws[b * config.batch_size : (b + 1) * config.batch_size] for b in range(whole)]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Batch after batch of (record, seed)."""
        return iter(self.batches)

    def __len__(self) -> int:
        """Number of batches; what does not fill a batch is left out."""
        return len(self.batches)


def draw_weights(records: Sequence[Record], class_balance: float) -> np.ndarray:
    """How likely each record is drawn: its source's weight times (count of its class and modality)^-class_balance.

    Args:
        records: N records.
        class_balance: 0 draws every image alike, 1 draws every class alike.

    Returns:
        (N,) float64, not normalised.
    """
    kinds = [(r.case.label, r.case.modality) if r.case else () for r in records]
    counts = Counter(kinds)
    return np.array([r.weight * counts[kind] ** -class_balance for r, kind in zip(records, kinds, strict=True)])


def train_transform(config: TrainConfig) -> v2.Transform:
    """Random crop, flips, colour jitter, then the normalisation that travels with the weights."""
    brightness, contrast, saturation, hue = config.jitter
    return v2.Compose(
        [
            v2.PILToTensor(),
            v2.RandomResizedCrop(config.image_size, scale=config.crop_scale, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
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


def _case_of(row: dict[str, str], source: Source, table: Path) -> Case:
    for column in (*source.columns.values(), *source.signs):
        if column not in row:
            raise PretrainingDataError(f"{table} has no column '{column}'. Its columns: {', '.join(row)}.")
    facts = {fact: row[column].strip().lower() for fact, column in source.columns.items()}
    site = facts.get("site", "")
    return Case(
        label=row["label"],
        modality=source.modality,
        site="" if site == "unknown" else site,
        age=int(float(facts.get("age") or 0)),
        sex={"male": "man", "female": "woman"}.get(facts.get("sex", ""), ""),
        signs=tuple(
            verb for column, verb in source.signs.items() if row[column].strip().lower() in ("true", "yes", "1")
        ),
    )


def _captions_of(row: dict[str, str], number: int, table: Path) -> tuple[str, ...]:
    texts = [
        row.get("truncated_caption") or row.get("caption") or "",
        row.get("ontology_caption") or "",
        row.get("visual_concept_caption") or "",
        *(row.get(f"subcaption_{n}") or "" for n in range(1, SUB_CAPTIONS + 1)),
    ]
    # An empty cell comes as "nan" out of some tables; that is a missing caption, not a word.
    texts = ["" if text.strip().lower() == "nan" else text.strip() for text in texts]
    for column, span in (("knowledge_masks", slice(0, 3)), ("sub_caption_mask", slice(3, CAPTIONS_PER_IMAGE))):
        if row.get(column):
            texts[span] = _masked(texts[span], row[column], column, f"{table}, line {number}")
    return tuple(texts)


def _masked(texts: list[str], cell: str, column: str, where: str) -> list[str]:
    try:
        mask = ast.literal_eval(cell)
    except (ValueError, SyntaxError) as broken:
        raise PretrainingDataError(f"{where}: expected {column} to be a list of 0 and 1, but got {cell!r}.") from broken
    if not isinstance(mask, list) or len(mask) != len(texts) or any(value not in (0, 1) for value in mask):
        raise PretrainingDataError(f"{where}: expected {column} to be {len(texts)} values of 0 or 1, but got {cell!r}.")
    for value, text in zip(mask, texts, strict=True):
        if value and not text:
            raise PretrainingDataError(
                f"{where}: {column} marks an empty text as present. Set it to 0 or fill the text."
            )
    return [text if value else "" for value, text in zip(mask, texts, strict=True)]
