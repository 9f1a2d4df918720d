"""Measure where an encoder is at home: home.safetensors, from the images that it was trained with.

Letters: N images, D embedding width, A axes.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from zsderm import KnowledgeBase
from zsderm.atomic_files import atomic_file
from zsderm.encoders import Encoder, load_encoder
from zsderm.encoders.base import HOME_FILE
from zsderm.encoders.home import EncoderHome
from zsderm.errors import ImageError, PretrainingDataError
from zsderm.images import open_image
from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.data.records import Record, image_stream

log = logging.getLogger(__name__)

AXES = 48  # of 24 to 96 the number that tells made pictures from PAD dev best for zsderm-mini (docs/familiarity.md)
STRANGE = 0.001  # the share of training images under the threshold
LEAST_IMAGES = 50  # fewer say nothing about directions
MOST_IMAGES = 20_000  # of each table; more of them move nothing and would have to be embedded
FLOOR = 1e-10  # of a variance: of rows of unit length, less is rounding
BATCH = 64


def write_home(folder: Path, config: TrainConfig, records: Sequence[Record], device: str | None = None) -> EncoderHome:
    """Embed the training images with the encoder of a folder, and write home.safetensors beside its weights.

    Args:
        folder: an encoder as training exports it.
        config: says which tables count: those with `home`.
        records: the images of the run.
        device: to embed on; None takes a GPU where there is one.

    Raises:
        CheckpointError: the folder holds no encoder.
        PretrainingDataError: fewer images than say anything.
    """
    encoder = load_encoder(folder, device)
    counted = {source.table for source in config.train if source.home}
    knowledge = KnowledgeBase.load(config.knowledge)
    rows, shown = [torch.empty(0, encoder.card.width)], []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for batch in _batches([record for record in records if record.table in counted]):
            found = list(zip(pool.map(partial(_pixels, encoder), batch), batch, strict=True))
            readable = [pixels for pixels, _ in found if pixels is not None]
            shown += [record for pixels, record in found if pixels is not None]
            rows += [encoder.encode_pixels(torch.stack(readable))] if readable else []
    labels = [record.case.label if record.case else "" for record in shown]
    names = {label: knowledge.find(label).name if label else "" for label in set(labels)}
    tables, diagnoses = [record.table for record in shown], [names[label] for label in labels]
    home = measure_home(torch.cat(rows), tables, encoder.fingerprint, diagnoses)
    with atomic_file(folder / HOME_FILE) as draft:
        home.save(draft)
        draft.chmod(0o644)  # safetensors writes for the owner only
    log.info("home: %d training images, familiar from %.2f on", home.images, home.threshold)
    return home


def measure_home(
    features: Tensor, tables: Sequence[str], fingerprint: str, diagnoses: Sequence[str] = ()
) -> EncoderHome:
    """The home of an encoder, from the embeddings of its training images; every table counts alike.

    Args:
        features: (N, D) unit rows.
        tables: N names, the table that each image comes from.
        fingerprint: of the encoder.
        diagnoses: N names of what each image shows, empty where that is not known; or none at all.

    Raises:
        PretrainingDataError: fewer images than say anything.
    """
    if len(features) < LEAST_IMAGES:
        raise PretrainingDataError(
            f"Expected at least {LEAST_IMAGES} training images that can be read, but got {len(features)}."
        )
    rows = features.double()
    names = sorted(set(tables))
    member = torch.tensor([names.index(table) for table in tables])  # (N,)
    weights = (1.0 / member.bincount().double() / len(names))[member]  # (N,), sums to 1
    mean = weights @ rows  # (D,)
    away = rows - mean
    variances, directions = torch.linalg.eigh((away.T * weights) @ away)  # ascending
    count = min(AXES, rows.shape[1], len(features) - 1)
    kept = variances.flip(0).clamp(min=FLOOR)
    left = kept[count:]
    home = EncoderHome(
        mean=mean.float(),
        axes=directions.flip(1)[:, :count].T.contiguous().float(),
        variances=kept[:count].float(),
        rest=float(left.mean()) if len(left) else math.inf,
        threshold=-math.inf,
        images=len(features),
        encoder=fingerprint,
        **_class_means(rows, tables, diagnoses),
    )
    return replace(home, threshold=_quantile(home.familiarity(features).double(), weights, STRANGE))


def _class_means(rows: Tensor, tables: Sequence[str], diagnoses: Sequence[str]) -> dict[str, Any]:
    """The diagnoses that there are, and their means (K, D): of each that of the means of the tables that have it."""
    of_table: dict[str, dict[str, list[int]]] = {}
    for place, (table, name) in enumerate(zip(tables, diagnoses, strict=False)):
        if name:
            of_table.setdefault(name, {}).setdefault(table, []).append(place)
    names = sorted(of_table)
    means = [torch.stack([rows[own].mean(dim=0) for own in of_table[name].values()]).mean(dim=0) for name in names]
    return {"diagnoses": tuple(names), "class_means": torch.stack(means).float()} if names else {}


def _quantile(values: Tensor, weights: Tensor, level: float) -> float:
    """The least value that, with all below it, has a share of `level` of the weight."""
    order = values.argsort()
    reached = weights[order].cumsum(0) >= level - 1e-12
    return float(values[order][reached][0]) if bool(reached.any()) else float(values.max())


def _batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Batches of the records, of a table with more than MOST_IMAGES every so many."""
    by_table: dict[str, list[Record]] = {}
    for record in records:
        by_table.setdefault(record.table, []).append(record)
    for of in by_table.values():
        chosen = of[:: math.ceil(len(of) / MOST_IMAGES)]
        yield from (chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH))


def _pixels(encoder: Encoder, record: Record) -> Tensor | None:
    """(3, H, W) pixels of an image as the encoder takes them; None where it cannot be read."""
    try:
        with image_stream(record.path, record.span) as stream:
            image: Image.Image = open_image(stream, at_least=encoder.card.decoded_side)
    except ImageError:
        return None
    return encoder.preprocess(image)
