"""Images a second of an encoder on a card, from files and from memory, beside open_clip's loop and the forward pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from zsderm.benchmarks.speed import photographs
from zsderm.benchmarks.speed.folder_memory import EXAMPLES
from zsderm.benchmarks.speed.peers import OpenClip, random_checkpoint
from zsderm.benchmarks.speed.stopwatch import Figure, Stopwatch
from zsderm.embeddings import embed_images
from zsderm.embeddings.image_features import MOST_WORKERS
from zsderm.encoders import load_encoder
from zsderm.encoders.export import write_unchecked
from zsderm.encoders.torch_encoder import TorchEncoder
from zsderm.images import open_image

MEGAPIXELS = 500 * 375 / 1e6
GRAIN = 4.0  # grey levels of noise: the size of a file is then that of a photograph
CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class EmbeddingSize:
    """How much is embedded."""

    architecture: str | Mapping[str, Any] = "ViT-B-16"
    images: int = 2560
    distinct: int = 64  # files; they are named over and over
    batch: int = 256


class Embedding:
    """One set of weights and of photographs, embedded in several ways.

    Args:
        size: how much.
        folder: to write weights and photographs into.
        watch: what measures, and where.
    """

    def __init__(self, size: EmbeddingSize, folder: Path, watch: Stopwatch) -> None:
        self.size, self.folder, self.watch = size, folder, watch
        self.shown = f"batch {size.batch}, {size.images} images"
        self.limit: float | None = None  # images a second of the forward pass alone

    def jobs(self) -> Iterator[tuple[str, Callable[[], Figure]]]:
        """What is measured, the most important first."""
        threads, all_cores = min(MOST_WORKERS, CORES), f"zsderm from JPEG files, bfloat16, {CORES} threads"
        yield "forward pass alone, bfloat16: the limit", self.forward
        yield f"zsderm from JPEG files, bfloat16, {threads} threads", lambda: self.from_files(self.ours, threads)
        yield f"open_clip's loop with a DataLoader, autocast to bfloat16, {CORES} workers", self.open_clip
        yield "zsderm from preprocessed tensors in memory, bfloat16", lambda: self.from_tensors(self.ours)
        yield f"zsderm from decoded images in memory, bfloat16, {threads} threads", self.from_images
        if threads < CORES:
            yield all_cores, lambda: self.from_files(self.ours, CORES)
        yield "zsderm from preprocessed tensors in memory, float32", lambda: self.from_tensors(self.exact)
        yield f"zsderm from JPEG files, float32, {threads} threads", lambda: self.from_files(self.exact, threads)

    @cached_property
    def weights(self) -> Path:
        """A checkpoint with random weights."""
        folder = self.folder / "weights"
        folder.mkdir()
        return random_checkpoint(folder, self.size.architecture)

    @cached_property
    def exact(self) -> TorchEncoder:
        """The encoder in float32, as it is loaded by default."""
        return _loaded(self.weights, self.watch.device)

    @cached_property
    def ours(self) -> TorchEncoder:
        """The same in bfloat16, as `zsderm export` makes it."""
        folder = self.folder / "half"
        folder.mkdir()
        write_unchecked(str(self.weights), folder, "torch", "bf16")
        return _loaded(folder, self.watch.device)

    @cached_property
    def paths(self) -> list[Path]:
        """Files of photographs, the same ones over and over."""
        folder = self.folder / "photographs"
        folder.mkdir()
        made = photographs.large(folder, EXAMPLES, self.size.distinct, MEGAPIXELS, GRAIN)
        return list(islice(cycle(made), self.size.images))

    @cached_property
    def tensors(self) -> torch.Tensor:
        """(N', 3, H, W) float32, the distinct photographs preprocessed."""
        return torch.stack([self.exact.preprocess(open_image(path)) for path in self.paths[: self.size.distinct]])

    def forward(self) -> Figure:
        """One batch that is on the card already, through the tower, again and again."""
        tower = deepcopy(self.exact.image_tower()).bfloat16()
        pixels = self._batch().to(self.watch.device).to(torch.bfloat16, memory_format=torch.channels_last)
        rounds = max(1, self.size.images // self.size.batch)

        @torch.inference_mode()
        def run() -> None:
            for _ in range(rounds):
                tower(pixels)

        figure = self._figure(run, rounds * self.size.batch)
        self.limit = figure.value
        return figure

    def from_files(self, encoder: TorchEncoder, threads: int) -> Figure:
        """What `zsderm embed` does."""
        return self._embedded(encoder, self.paths, threads)

    def from_images(self) -> Figure:
        """The same without reading and decoding."""
        decoded: list[Image.Image] = [open_image(path) for path in self.paths[: self.size.distinct]]
        images = list(islice(cycle(decoded), self.size.images))
        return self._embedded(self.ours, images, min(MOST_WORKERS, CORES))

    def from_tensors(self, encoder: TorchEncoder) -> Figure:
        """The encoder alone, its pixels in ordinary memory and its rows brought back."""
        pixels, rounds = self._batch(), max(1, self.size.images // self.size.batch)

        def run(rounds: int = rounds) -> None:
            for _ in range(rounds):
                encoder.encode_pixels(pixels)

        return self._figure(run, rounds * self.size.batch, lambda: run(1))

    def open_clip(self) -> Figure:
        """Its workers are started before the clock is, and stay."""
        plain = OpenClip(self.weights, self.watch.device, half=True)
        batches = plain.batches(self.paths, self.size.batch, CORES)
        distinct = self.paths[: self.size.distinct]
        rows = plain.embed(plain.batches(distinct, self.size.batch, 0))
        ours = torch.from_numpy(embed_images(self.ours, distinct, batch_size=self.size.batch).features)
        least = float(torch.nn.functional.cosine_similarity(rows, ours, dim=1).min())
        return self._figure(
            lambda: plain.embed(batches), len(self.paths), note=f"least cosine with zsderm's rows {least:.4f}"
        )

    def _embedded(self, encoder: TorchEncoder, images: list[Any], threads: int) -> Figure:
        def run(images: list[Any] = images) -> None:
            embed_images(encoder, images, batch_size=self.size.batch, workers=threads)

        return self._figure(run, len(images), lambda: run(images[: self.size.batch]))

    def _batch(self) -> torch.Tensor:
        """(B, 3, H, W) float32 on the CPU."""
        repeats = -(-self.size.batch // len(self.tensors))
        return self.tensors.repeat(repeats, 1, 1, 1)[: self.size.batch].contiguous()

    def _figure(
        self, run: Callable[[], object], images: int, warm_up: Callable[[], object] | None = None, note: str = ""
    ) -> Figure:
        timing = self.watch.measure(run, warm_up)
        if self.limit:
            share = f"{images / timing.median / self.limit:.0%} of the limit"
            note = f"{share}; {note}" if note else share
        return timing.figure(self.shown, images, note)


def _loaded(folder: Path, device: torch.device) -> TorchEncoder:
    encoder = load_encoder(folder, device)
    assert isinstance(encoder, TorchEncoder)
    return encoder
