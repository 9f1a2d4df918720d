"""Which image is drawn when: one seeded order for the whole run, cut into the parts of every process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from zsderm.errors import SettingsError
from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.data.records import Record


class Draws:
    """The draws of one epoch, in batches: rare classes more often than they occur, always from a seeded generator.

    `batch_size` of the configuration is that of all processes together. Every batch of it is cut into equal
    consecutive blocks, one for each process in the order of their ranks: together they draw what one process would
    draw, in its order, and no draw twice.

    Args:
        records: the images, the same in every process.
        config: batch size, samples per epoch, class balance, seed.
        epoch: which epoch, from 0.
        rank: which process this is, from 0.
        world_size: number of processes.
        start: batches of this epoch that were drawn before, to go on after them.

    Raises:
        SettingsError: if the batch cannot be cut into equal blocks.
    """

    def __init__(
        self,
        records: Sequence[Record],
        config: TrainConfig,
        epoch: int,
        rank: int = 0,
        world_size: int = 1,
        start: int = 0,
    ) -> None:
        block = block_size(config.batch_size, rank, world_size)
        rng = np.random.default_rng([config.seed, epoch])
        weights = draw_weights(records, config.class_balance)
        indices = rng.choice(len(records), size=config.samples_per_epoch, p=weights / weights.sum())
        seeds = rng.integers(2**31, size=config.samples_per_epoch)
        draws = [(int(index), int(seed)) for index, seed in zip(indices, seeds, strict=True)]
        whole = max(1, config.samples_per_epoch // config.batch_size)
        first = [batch * config.batch_size + rank * block for batch in range(start, whole)]
        self.batches = [draws[place : place + block] for place in first]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Batch after batch of (record, seed)."""
        return iter(self.batches)

    def __len__(self) -> int:
        """Number of batches; what does not fill a batch is left out."""
        return len(self.batches)


def block_size(batch_size: int, rank: int, world_size: int) -> int:
    """How many images of a batch each process takes.

    Raises:
        SettingsError: if the batch cannot be cut into equal blocks, or there is no such process.
    """
    if not 0 <= rank < world_size:
        raise SettingsError(f"Expected a rank from 0 to {world_size - 1}, but got {rank}.")
    if batch_size % world_size:
        near = max(1, round(batch_size / world_size)) * world_size
        raise SettingsError(
            f"Expected setting `batch_size` to be a multiple of the {world_size} processes that share a batch, "
            f"but got {batch_size}. The nearest that fits is {near}."
        )
    return batch_size // world_size


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


WINDOW = 1024  # records of a shard among which the next one is chosen at random


def epoch_draws(
    records: Sequence[Record],
    config: TrainConfig,
    epoch: int,
    rank: int = 0,
    world_size: int = 1,
    start: int = 0,
) -> Draws | ShardDraws:
    """The draws of one epoch: shard by shard where every image lies in a shard and is as likely as any other.

    Args and errors as those of `Draws` and `ShardDraws`.
    """
    alike = not any(record.case for record in records) and len({record.weight for record in records}) == 1
    kind = ShardDraws if alike and all(record.span for record in records) else Draws
    return kind(records, config, epoch, rank, world_size, start)


class ShardDraws:
    """The draws of one epoch that read shards nearly from front to back.

    The shards are shuffled and dealt to the workers of all processes, so that no two of them open the same one. A
    worker reads its shards one after the other and picks the next record among the nearest `WINDOW`. It begins again,
    in another order, when its shards are used up, so that all processes make the same number of batches.

    Unlike those of `Draws`, these depend on the number of processes and workers.

    Args:
        records: the images, the same in every process; all of them inside shards.
        config: batch size of all processes together, samples per epoch, workers, seed.
        epoch: which epoch, from 0.
        rank: which process this is, from 0.
        world_size: number of processes.
        start: batches of this epoch that were drawn before, to go on after them.

    Raises:
        SettingsError: there are fewer shards than workers, or the batch cannot be cut into equal blocks.
    """

    def __init__(
        self,
        records: Sequence[Record],
        config: TrainConfig,
        epoch: int,
        rank: int = 0,
        world_size: int = 1,
        start: int = 0,
    ) -> None:
        self.block = block_size(config.batch_size, rank, world_size)
        self.count = max(1, config.samples_per_epoch // config.batch_size)
        self.start = start
        shards: dict[Path, list[int]] = {}
        for index, record in enumerate(records):
            shards.setdefault(record.path, []).append(index)
        workers = max(1, config.workers)
        if len(shards) < workers * world_size:
            raise SettingsError(
                f"Expected at least one shard for each of the {workers * world_size} workers ({workers} in each of "
                f"{world_size} processes), but there are {len(shards)}. Set `workers` lower, or write smaller shards."
            )
        order = np.random.default_rng([config.seed, epoch]).permutation(len(shards))
        dealt = [list(shards.values())[place] for place in order]
        self.readers = [
            _Reader(dealt[stream :: workers * world_size], [config.seed, epoch, stream])
            for stream in range(rank * workers, (rank + 1) * workers)
        ]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Batch after batch of (record, seed); the loader hands the k-th to worker k modulo their number."""
        streams = [reader() for reader in self.readers]
        for batch in range(self.count):
            draws = list(islice(streams[batch % len(streams)], self.block))
            if batch >= self.start:
                yield draws

    def __len__(self) -> int:
        """Number of batches."""
        return max(0, self.count - self.start)


class _Reader:
    """An endless walk through some shards; called again it begins from the start."""

    def __init__(self, shards: Sequence[Sequence[int]], seed: Sequence[int]) -> None:
        self.shards = shards
        self.seed = seed

    def __call__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng(self.seed)
        while True:
            order = (index for place in rng.permutation(len(self.shards)) for index in self.shards[place])
            for index in _shuffled(order, rng):
                yield index, int(rng.integers(2**31))


def _shuffled(indices: Iterable[int], rng: np.random.Generator) -> Iterator[int]:
    """Each index once, none further from its place than the window and chance allow."""
    window: list[int] = []
    for index in indices:
        if len(window) < WINDOW:
            window.append(index)
            continue
        place = int(rng.integers(WINDOW))
        yield window[place]
        window[place] = index
    yield from (window[place] for place in rng.permutation(len(window)))
