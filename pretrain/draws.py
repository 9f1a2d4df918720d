"""Which image is drawn when: one seeded order for the whole run, cut into the parts of every process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from zsderm.errors import SettingsError

from .config import TrainConfig
from .tables import Record


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
