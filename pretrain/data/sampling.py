"""Which image is drawn when: one seeded order for an epoch, cut into a part for every process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from zsderm.errors import SettingsError
from zsderm.pretrain.data.records import Record
from zsderm.pretrain.distributed import ALONE, Group
from zsderm.pretrain.run_settings import RunSettings

WINDOW = 1024  # records of a shard among which the next one is chosen at random


@dataclass(frozen=True)
class DrawPlan:
    """One epoch's draws for one process.

    Raises:
        SettingsError: the batch cannot be cut into equal blocks.
    """

    config: RunSettings  # batch size of all processes together, samples per epoch, class balance, workers, seed
    epoch: int = 0  # from 0
    group: Group = ALONE  # the processes that share a batch
    start: int = 0  # batches of this epoch that were drawn before a run stopped; they are left out

    def __post_init__(self) -> None:
        """Refuse a batch that cannot be cut into equal blocks."""
        processes, batch_size = self.group.size, self.config.batch_size
        if batch_size % processes:
            near = max(1, round(batch_size / processes)) * processes
            raise SettingsError(
                f"Expected setting `batch_size` to be a multiple of the {processes} processes that share a batch, "
                f"but got {batch_size}. The nearest that fits is {near}."
            )

    @property
    def block(self) -> int:
        """Images of a batch that each process takes."""
        return self.config.batch_size // self.group.size

    @property
    def seed(self) -> list[int]:
        """What starts the random numbers of the epoch, the same in every process."""
        return [self.config.seed, self.epoch]


def epoch_draws(records: Sequence[Record], plan: DrawPlan) -> Draws | ShardDraws:
    """The draws of one epoch: `ShardDraws` where every image is in a shard and all are equally likely, else `Draws`.

    Args:
        records: the images, the same in every process.
        plan: which epoch and process.

    Raises:
        SettingsError: see `ShardDraws`.
    """
    alike = not any(record.case for record in records) and len({record.weight for record in records}) == 1
    return (ShardDraws if alike and all(record.span for record in records) else Draws)(records, plan)


class Draws:
    """The draws of one epoch, in batches; images of rare classes are drawn more often than they occur.

    Every batch is cut into equal consecutive blocks, one for each process in the order of their ranks: together the
    processes draw what one process would draw, in its order, and no draw twice.

    Args:
        records: the images, the same in every process.
        plan: which epoch and process.
    """

    def __init__(self, records: Sequence[Record], plan: DrawPlan) -> None:
        config = plan.config
        rng = np.random.default_rng(plan.seed)
        weights = draw_weights(records, config.class_balance)
        indices = rng.choice(len(records), size=config.samples_per_epoch, p=weights / weights.sum())
        seeds = rng.integers(2**31, size=config.samples_per_epoch)
        draws = [(int(index), int(seed)) for index, seed in zip(indices, seeds, strict=True)]
        batches = range(plan.start, config.steps_per_epoch)
        first = [batch * config.batch_size + plan.group.rank * plan.block for batch in batches]
        self.batches = [draws[place : place + plan.block] for place in first]

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


class ShardDraws:
    """The draws of one epoch that read shards nearly from front to back.

    The shards are shuffled and dealt to the workers of all processes, so that no two of them open the same one. A
    worker reads its shards one after the other and picks the next record among the nearest `WINDOW`. It begins again,
    in another order, when its shards are used up, so that all processes make the same number of batches.

    Unlike those of `Draws`, these depend on the number of processes and workers.

    Args:
        records: the images, the same in every process; all of them inside shards.
        plan: which epoch and process.

    Raises:
        SettingsError: there are fewer shards than workers.
    """

    def __init__(self, records: Sequence[Record], plan: DrawPlan) -> None:
        self.plan = plan
        shards: dict[Path, list[int]] = {}
        for index, record in enumerate(records):
            shards.setdefault(record.path, []).append(index)
        workers, rank, processes = max(1, plan.config.workers), plan.group.rank, plan.group.size
        if len(shards) < workers * processes:
            raise SettingsError(
                f"Expected at least one shard for each of the {workers * processes} workers ({workers} in each of "
                f"{processes} processes), but there are {len(shards)}. Set `workers` lower, or write smaller shards."
            )
        order = np.random.default_rng(plan.seed).permutation(len(shards))
        dealt = [list(shards.values())[place] for place in order]
        self.readers = [
            _Reader(dealt[stream :: workers * processes], [*plan.seed, stream])
            for stream in range(rank * workers, (rank + 1) * workers)
        ]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Batch after batch of (record, seed); the loader hands the k-th to worker k modulo their number."""
        streams = [reader() for reader in self.readers]
        for batch in range(self.plan.config.steps_per_epoch):
            draws = list(islice(streams[batch % len(streams)], self.plan.block))
            if batch >= self.plan.start:
                yield draws

    def __len__(self) -> int:
        """Number of batches."""
        return max(0, self.plan.config.steps_per_epoch - self.plan.start)


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
