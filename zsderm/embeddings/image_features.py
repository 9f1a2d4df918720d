"""Images to unit rows: decoded ahead by threads, encoded in batches, taken from the cache where they are known.

Letters: N images, D embedding width, B batch. A bounded number of images is decoded ahead of the encoder, so memory
does not grow with the folder; only the (N, D) result does, and `embed_batches` does without that.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from PIL import Image

from zsderm.config import check_views
from zsderm.embeddings.cache import FeatureCache, image_layout, is_unit
from zsderm.embeddings.decoding_ahead import WorkTimes, decoding_threads, prepared_ahead
from zsderm.encoders.views import encode_views
from zsderm.errors import ImageError, SettingsError
from zsderm.images import file_behind, file_hash, open_file, open_image, read_header
from zsderm.places import fetched_ahead
from zsderm.progress import counting

if TYPE_CHECKING:
    from zsderm.encoders.base import Encoder

log = logging.getLogger(__name__)

EMBEDDING = "Embedding images"  # what a progress bar says
MOST_WORKERS = 8  # decoding stops gaining beyond this; together they hold no more than images.MEMORY
BATCHES_AHEAD = 2  # that are decoded while one is encoded: large images come in series, and one batch is soon used up

EmbeddableImage = str | os.PathLike[str] | Image.Image


@dataclass(frozen=True, eq=False)
class ImageEmbeddings:
    """The embeddings of N images, in the order they were given.

    Attributes:
        features: (N, D) float32. Each row is of unit length, or zeros where ``ok`` is false.
        ok: (N,) bool, which images could be read.
        errors: for each row that is not ok, by its index, the reason.
    """

    features: np.ndarray
    ok: np.ndarray
    errors: Mapping[int, str]


def embed_images(
    encoder: Encoder,
    images: Sequence[EmbeddableImage],
    *,
    views: int = 1,
    batch_size: int = 64,
    workers: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
    out: np.ndarray | None = None,
) -> ImageEmbeddings:
    """Embed images; one that cannot be read becomes a row of zeros with a reason.

    With a cache folder every finished batch is stored at once, so a run that was interrupted goes on where it stopped.

    Args:
        encoder: gives the rows; its ``fingerprint``, the number of views and the content of each image are the key of
            the cache.
        images: N paths or PIL images.
        views: 1, 4 or 8 views of each image (mirrored and turned) are encoded and averaged; see zsderm.encoders.views.
            Each image is decoded once, and one view of one batch is in memory at a time.
        batch_size: B, how many images the encoder sees at a time, fewer where a GPU has no memory for them; beyond
            rounding the result does not depend on it.
        workers: decoding threads; by default one per processor, at most 8.
        cache: a folder that may be shared by several processes, or ``None`` to keep nothing.
        progress: show a bar on stderr if that is a terminal, else a line a minute.
        out: (N, D) float32 to write the rows into, such as a memory-mapped file; by default a new array.

    Raises:
        SettingsError: ``batch_size`` or ``workers`` below 1, another number of views, or ``out`` of another shape.
    """
    shape = (len(images), encoder.card.width)
    features = np.zeros(shape, np.float32) if out is None else _checked_out(out, shape)  # (N, D)
    ok = np.zeros(len(images), bool)
    errors: dict[int, str] = {}
    done = 0
    how: dict[str, Any] = {"views": views, "batch_size": batch_size, "workers": workers, "cache": cache}
    with counting(EMBEDDING, len(images), progress) as tell:
        for batch in embed_batches(encoder, images, **how, tell=tell):
            stop = done + len(batch.ok)
            features[done:stop], ok[done:stop] = batch.features, batch.ok
            errors |= {done + index: reason for index, reason in batch.errors.items()}
            done = stop
    return ImageEmbeddings(features, ok, errors)


def embed_batches(
    encoder: Encoder,
    images: Iterable[EmbeddableImage],
    *,
    views: int = 1,
    batch_size: int = 64,
    workers: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    tell: Callable[[float], None] | None = None,
    sizes: Iterable[int] | None = None,
    times: WorkTimes | None = None,
) -> Iterator[ImageEmbeddings]:
    """Embed images of any number, batch by batch: what `embed_images` does, for those who keep nothing.

    Args:
        encoder: see `embed_images`, as for the rest.
        images: paths or PIL images, asked for only a little ahead.
        views: how many views of each image are averaged.
        batch_size: B.
        workers: decoding threads.
        cache: a folder, or ``None``.
        tell: is told how many images' worth of work was done since the last time: a half when one has been read,
            another half when its batch is embedded, so that it hears of the first batch while that lasts.
        sizes: how many images each batch has, for those to whom it matters where one ends; by default B.
        times: is told where the time goes.

    Returns:
        For every B images in turn their embeddings; the indices in ``errors`` count within the batch.

    Raises:
        SettingsError: see `embed_images`.
    """
    workers = min(MOST_WORKERS, os.cpu_count() or 1) if workers is None else workers
    for name, value in {"batch_size": batch_size, "workers": workers}.items():
        if value < 1:
            raise SettingsError(f"Expected argument `{name}` to be at least 1, but got {value}.")
    check_views(views)
    layout = image_layout(views)
    store = None if cache is None else FeatureCache(Path(cache), encoder.fingerprint, encoder.card.width, layout)
    sizes = repeat(batch_size) if sizes is None else sizes
    times = WorkTimes() if times is None else times
    times.workers = workers
    ahead = BATCHES_AHEAD * max(batch_size, workers)
    return _batches(encoder, fetched_ahead(images, open_file), views, iter(sizes), ahead, store, tell or _nobody, times)


@dataclass(frozen=True, eq=False)
class _Item:
    """One image on its way: with pixels while it waits for the encoder, then with a row or a reason."""

    key: str = ""
    pixels: torch.Tensor | None = None
    row: np.ndarray | None = None
    reason: str = ""


def _batches(
    encoder: Encoder,
    images: Iterator[EmbeddableImage],
    views: int,
    sizes: Iterator[int],
    ahead: int,
    store: FeatureCache | None,
    tell: Callable[[float], None],
    times: WorkTimes,
) -> Iterator[ImageEmbeddings]:
    clock = time.perf_counter
    with warnings.catch_warnings(), decoding_threads(times.workers) as pool:
        # images.MAX_PIXELS is the limit that counts. Here and not per image, for all threads share the filters.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        ready = _told(prepared_ahead(pool, partial(_prepare, encoder, store), images, ahead, times), tell)
        kept = embedded = 0
        asked = clock()
        while batch := list(islice(ready, next(sizes, 0))):
            begun = clock()
            times.waiting += begun - asked
            kept += sum(item.row is not None for item in batch)
            embedded += sum(item.pixels is not None for item in batch)
            found = _finish(encoder, batch, views, store)
            tell(len(batch) / 2)
            ended = clock()
            times.encoding += ended - begun
            yield found
            asked = clock()
            times.between += asked - ended
    log.debug("%d images embedded, %d taken from the cache%s", embedded, kept, f" {store.folder}" if store else "")
    log.debug(
        "for %.0f %% of %.1f s the encoder waited for images; for %.0f %% the %d threads that decode waited for it",
        100 * times.encoder_waits,
        times.total,
        100 * times.threads_wait,
        times.workers,
    )


def _nobody(more: float) -> None:
    """Nobody is told."""


def _told(items: Iterator[_Item], tell: Callable[[float], None]) -> Iterator[_Item]:
    for item in items:
        tell(0.5)
        yield item


def _prepare(encoder: Encoder, store: FeatureCache | None, image: EmbeddableImage) -> _Item:
    try:
        if not isinstance(image, Image.Image):
            with open_file(image) as file:
                return _prepare_file(encoder, store, file)
        if (opened := file_behind(image)) is not None:
            return _prepare_file(encoder, store, opened)
        return _prepare_picture(encoder, store, open_image(image))
    except (ImageError, OSError) as error:
        return _Item(reason=str(error))


def _prepare_file(encoder: Encoder, store: FeatureCache | None, file: BinaryIO) -> _Item:
    header = read_header(file, at_least=encoder.card.decoded_side)  # before all of it is gone through
    key = "" if store is None else file_hash(file)
    row = None if store is None else store.read(key)
    if row is not None:
        return _Item(key, row=row)
    with header.decoded() as picture:
        return _Item(key, pixels=encoder.preprocess(picture))


def _prepare_picture(encoder: Encoder, store: FeatureCache | None, picture: Image.Image) -> _Item:
    key = "" if store is None else _pixel_hash(picture)
    row = None if store is None else store.read(key)
    return _Item(key, pixels=encoder.preprocess(picture)) if row is None else _Item(key, row=row)


def _finish(encoder: Encoder, batch: Sequence[_Item], views: int, store: FeatureCache | None) -> ImageEmbeddings:
    """Encode what has to be, store it, and put the batch together."""
    features = np.zeros((len(batch), encoder.card.width), np.float32)  # (B, D)
    errors = {index: item.reason for index, item in enumerate(batch) if item.reason}
    waiting = {index: item.pixels for index, item in enumerate(batch) if item.pixels is not None}
    for index, item in enumerate(batch):
        if item.row is not None:
            features[index] = item.row
    if waiting:
        rows = _encoded(encoder, torch.stack(list(waiting.values())), views)
        for index, row in zip(waiting, rows, strict=True):
            if not is_unit(row):
                errors[index] = "the encoder gave no finite unit row for this image"
                continue
            features[index] = row
            if store is not None:
                store.write(batch[index].key, row)
    ok = np.array([index not in errors for index in range(len(batch))])  # (B,)
    return ImageEmbeddings(features, ok, dict(sorted(errors.items())))


def _encoded(encoder: Encoder, pixels: torch.Tensor, views: int) -> np.ndarray:
    """(B, D) float32 rows; a batch that is too large for the memory of a GPU is halved until it fits."""
    with suppress(torch.cuda.OutOfMemoryError), torch.inference_mode():
        return encode_views(encoder, pixels, views).float().cpu().numpy()
    if len(pixels) == 1:
        raise SettingsError(
            f"The memory of the device does not hold one image of {encoder.card.name}. Use a smaller encoder, or "
            "--device cpu."
        )
    torch.cuda.empty_cache()  # here and not in a handler, whose traceback would keep what failed alive
    return np.concatenate([_encoded(encoder, half, views) for half in pixels.tensor_split(2)])


def _checked_out(out: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    if out.shape != shape or out.dtype != np.float32:
        raise SettingsError(f"Expected argument `out` to be {shape} float32, but got {out.shape} {out.dtype}.")
    return out


def _pixel_hash(picture: Image.Image) -> str:
    """Of RGB: palette images may hold equal indices into other palettes."""
    return hashlib.sha256(f"{picture.mode} {picture.size}\n".encode() + picture.tobytes()).hexdigest()
