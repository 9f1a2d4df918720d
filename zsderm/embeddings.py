"""Turn images and texts into unit rows, once: what is on disk from an earlier run is not computed again.

Letters: N images, M texts, D embedding width, B batch. Threads decode and preprocess a bounded number of images ahead
of the encoder, so memory does not grow with the folder; only the (N, D) result does.
"""

from __future__ import annotations

import hashlib
import io
import os
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from zsderm.errors import FallbackWarning, ImageError, SettingsError
from zsderm.images import open_file, open_image

if TYPE_CHECKING:
    from zsderm.encoders.base import Encoder

MOST_WORKERS = 8  # decoding stops gaining beyond this; each worker may hold one full-size photograph
TEXT_BATCH = 256
UNIT_TOLERANCE = 1e-2  # rows of half-precision encoders are this close to unit length
CACHE_LAYOUT = "images-1"  # raise the number when decoding in images.py changes pixels

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
    batch_size: int = 64,
    workers: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> ImageEmbeddings:
    """Embed images; one that cannot be read becomes a row of zeros with a reason.

    With a cache folder every finished batch is stored at once, so a run that was interrupted goes on where it stopped.

    Args:
        encoder: gives the rows; its ``fingerprint`` and the content of each image are the key of the cache.
        images: N paths or PIL images.
        batch_size: B, how many images the encoder sees at a time; beyond rounding the result does not depend on it.
        workers: decoding threads; by default one per processor, at most 8.
        cache: a folder that may be shared by several processes, or ``None`` to keep nothing.
        progress: show a bar on stderr if that is a terminal.

    Raises:
        SettingsError: ``batch_size`` or ``workers`` below 1, or a cache folder that cannot be made.
    """
    workers = min(MOST_WORKERS, os.cpu_count() or 1) if workers is None else workers
    for name, value in {"batch_size": batch_size, "workers": workers}.items():
        if value < 1:
            raise SettingsError(f"Expected argument `{name}` to be at least 1, but got {value}.")
    store = None if cache is None else FeatureCache(Path(cache), encoder.fingerprint, encoder.card.width)
    features = np.zeros((len(images), encoder.card.width), np.float32)  # (N, D)
    ok = np.zeros(len(images), bool)
    errors: dict[int, str] = {}

    with warnings.catch_warnings(), _progress_bar(len(images), progress) as advance, _threads(workers) as pool:
        # images.MAX_PIXELS is the limit that counts. Here and not per image, for all threads share the filters.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        ready = _prepare_ahead(
            lambda index: pool.submit(_prepare, encoder, store, index, images[index]),
            count=len(images),
            ahead=max(batch_size, 2 * workers),
        )
        for item in _encode_in_batches(encoder, ready, batch_size, store):
            if item.row is None:
                errors[item.index] = item.reason
            else:
                features[item.index], ok[item.index] = item.row, True
            advance()
    return ImageEmbeddings(features, ok, dict(sorted(errors.items())))


def embed_texts(encoder: Encoder, texts: Sequence[str]) -> np.ndarray:
    """Embed texts, each distinct one once.

    Args:
        encoder: gives the rows.
        texts: M strings.

    Returns:
        (M, D) float32 unit rows; equal texts have equal rows.
    """
    if isinstance(texts, str):
        raise SettingsError(f"Expected argument `texts` to be a list of strings, but got the string {texts[:40]!r}.")
    distinct = list(dict.fromkeys(texts))
    batches = [distinct[start : start + TEXT_BATCH] for start in range(0, len(distinct), TEXT_BATCH)]
    with torch.inference_mode():
        rows = [encoder.encode_texts(batch).float().cpu().numpy() for batch in batches]
    table = np.concatenate([np.zeros((0, encoder.card.width), np.float32), *rows])
    position = {text: index for index, text in enumerate(distinct)}
    return table[[position[text] for text in texts]] if len(texts) else table


class FeatureCache:
    """One small file per image, named by the hash of its content, in a folder per encoder.

    Files appear whole or not at all, so several processes may share the folder, and a file that is not exactly one
    unit row of the right width counts as absent.
    """

    def __init__(self, folder: Path, fingerprint: str, width: int) -> None:
        """Make the folder, so that a mistake shows before the work and not after.

        Args:
            folder: where caches live; this encoder gets a folder of its own in it.
            fingerprint: hex that changes with anything that changes the rows.
            width: D.
        """
        self.folder = folder / CACHE_LAYOUT / fingerprint
        self._size = width
        self._header = _npy_bytes(np.zeros(width, np.float32))[: -4 * width]
        self._full = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"cache folder '{folder}' cannot be made: {error.strerror}. Choose another, or switch caching off."
            ) from error

    def read(self, key: str) -> np.ndarray | None:
        """The stored row (D,) float32, or ``None`` if there is none that can be trusted."""
        try:
            content = self._path(key).read_bytes()
        except OSError:
            return None
        # Comparing with the one header that is right spares parsing a damaged one.
        if not content.startswith(self._header) or len(content) != len(self._header) + 4 * self._size:
            return None
        row = np.frombuffer(content, np.float32, offset=len(self._header))
        return row if _is_unit(row) else None

    def write(self, key: str, row: np.ndarray) -> None:
        """Store a row (D,); if the disk is full the work goes on without storing, with one warning."""
        if self._full:
            return
        path = self._path(key)
        draft = path.with_name(f"{key}.{uuid.uuid4().hex}.tmp")
        try:
            path.parent.mkdir(exist_ok=True)
            draft.write_bytes(_npy_bytes(row))
            draft.replace(path)
        except OSError as error:
            self._full = True
            message = f"cache folder '{self.folder}' cannot be written: {error.strerror}. Going on without it."
            warnings.warn(message, FallbackWarning, stacklevel=2)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"


@dataclass(frozen=True, eq=False)
class _Item:
    """One image on its way: with pixels while it waits for the encoder, then with a row or a reason."""

    index: int
    key: str = ""
    pixels: torch.Tensor | None = None
    row: np.ndarray | None = None
    reason: str = ""


def _prepare_ahead(prepare: Callable[[int], Future[_Item]], count: int, ahead: int) -> Iterator[_Item]:
    """Start on images in order, never more than ``ahead`` of the one that is asked for."""
    pending: deque[Future[_Item]] = deque()
    for index in range(count):
        pending.append(prepare(index))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _prepare(encoder: Encoder, store: FeatureCache | None, index: int, image: EmbeddableImage) -> _Item:
    try:
        with nullcontext(open_image(image)) if isinstance(image, Image.Image) else open_file(image) as content:
            key = "" if store is None else _content_hash(content)
            row = None if store is None else store.read(key)
            return _Item(index, key, encoder.preprocess(open_image(content)) if row is None else None, row)
    except (ImageError, OSError) as error:
        return _Item(index, reason=str(error))


def _encode_in_batches(
    encoder: Encoder, items: Iterator[_Item], batch_size: int, store: FeatureCache | None
) -> Iterator[_Item]:
    """Pass finished items on at once and the others in batches through the encoder; the order may change."""
    waiting: list[_Item] = []
    for item in items:
        if item.pixels is None:
            yield item
            continue
        waiting.append(item)
        if len(waiting) == batch_size:
            yield from _encode(encoder, waiting, store)
            waiting = []
    if waiting:
        yield from _encode(encoder, waiting, store)


def _encode(encoder: Encoder, waiting: list[_Item], store: FeatureCache | None) -> list[_Item]:
    pixels = torch.stack([item.pixels for item in waiting if item.pixels is not None])  # (B, 3, H, W)
    with torch.inference_mode():
        rows = encoder.encode_pixels(pixels).float().cpu().numpy()  # (B, D)
    sound = [_is_unit(row) for row in rows]
    if store is not None:
        for item, row in compress(zip(waiting, rows, strict=True), sound):
            store.write(item.key, row)
    reason = "the encoder gave no finite unit row for this image"
    return [
        _Item(item.index, row=row) if unit else _Item(item.index, reason=reason)
        for item, row, unit in zip(waiting, rows, sound, strict=True)
    ]


def _is_unit(row: np.ndarray) -> bool:
    return bool(abs(np.linalg.norm(row) - 1) < UNIT_TOLERANCE)  # false for NaN as well


def _npy_bytes(row: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(row, "<f4"), allow_pickle=False)
    return buffer.getvalue()


def _content_hash(content: BinaryIO | Image.Image) -> str:
    digest = hashlib.sha256()
    if isinstance(content, Image.Image):  # RGB by now: palette images may hold equal indices into other palettes
        digest.update(f"{content.mode} {content.size}\n".encode() + content.tobytes())
    else:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(workers, thread_name_prefix="zsderm-decode")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # after Ctrl-C the images ahead are not decoded


@contextmanager
def _progress_bar(total: int, wanted: bool) -> Iterator[Callable[[], None]]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not (wanted and console.is_interactive)) as bar:
        task = bar.add_task("Embedding images", total=total)
        yield lambda: bar.advance(task)
