"""One epoch of any training: the batches that are left of it, its rows in the log, and checkpoints between them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sized
from typing import Any, Protocol

import torch
from torch import Tensor

from zsderm.errors import SettingsError
from zsderm.pretrain.checkpoint import Progress
from zsderm.pretrain.data.readable import check_draws
from zsderm.pretrain.distributed import Group
from zsderm.pretrain.run_log import RunLog
from zsderm.pretrain.run_settings import RunSettings


class Drawn(Sized, Protocol):
    """A batch, of so many images as could be read."""

    @property
    def skipped(self) -> int:
        """Images that could not be read and are missing here."""


class Learns(Protocol):
    """What learns from batches."""

    @property
    def config(self) -> RunSettings:
        """How many batches there are, and when something is written."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    @property
    def group(self) -> Group:
        """The processes that train together."""

    @property
    def scheduler(self) -> torch.optim.lr_scheduler.LRScheduler:
        """Moved on after every batch."""

    def train(self) -> None:
        """Be ready to learn."""

    def step(self, batch: Any, epoch: int) -> tuple[Tensor, float]:
        """One step of the optimiser: three figures as (3,) float64, of which the first is the loss; gradient norm."""

    def named(self, figures: Tensor) -> dict[str, float]:
        """Three figures of `step`, or their means, as the columns of a log; and what is learned besides."""


def train_epoch(
    learner: Learns, loader: Iterable[Drawn], epoch: int, at: Progress, logs: RunLog, save: Callable[[], None]
) -> None:
    """All batches of an epoch that are left; `at` counts them, `save` writes checkpoints between them.

    Args:
        learner: learns from them.
        loader: the batches.
        epoch: counted from 0.
        at: how far the run is; it is moved on.
        logs: gets a row every `log_every` batches.
        save: called every `checkpoint_every` batches.

    Raises:
        SettingsError: the loss is no number any more.
        PretrainingDataError: most of what was drawn could not be read.
    """
    config, group = learner.config, learner.group
    learner.train()
    clock = asked_at = time.monotonic()
    for batch in loader:
        waited = time.monotonic() - asked_at
        counts = torch.tensor([len(batch), batch.skipped], device=learner.device)
        images, skipped = (int(count) for count in group.total(counts))
        figures = torch.full((3,), math.nan, dtype=torch.float64)
        norm = math.nan
        if images >= 2:  # contrast needs two, and so do batch statistics
            figures, norm = learner.step(batch, epoch)
            check_loss(figures, at)
            at.sums += figures
            at.learned += 1
        rate = float(learner.scheduler.get_last_lr()[0])
        learner.scheduler.step()
        asked_at = time.monotonic()
        at.advance(images, skipped, asked_at - clock, waited)
        check_draws(at.images, at.skipped)
        clock = asked_at
        if is_due(config.log_every, at.step):
            logs.step(_step_row(at, epoch, learner.named(figures), rate, norm))
        if is_due(config.checkpoint_every, at.batch) and at.batch < config.steps_per_epoch:
            save()
    check_draws(at.images, at.skipped, least=1)


def check_loss(figures: Tensor, at: Progress) -> None:
    """Refuse to go on with weights that are lost.

    Args:
        figures: of a batch, the loss first.
        at: how far the run was before it.

    Raises:
        SettingsError: one of them is no number any more.
    """
    if not figures.isfinite().all():
        raise SettingsError(
            f"The loss of batch {at.step + 1} is {figures[0]:g}, so nothing more is learned. Set `learning_rate`, "
            "and every other learning rate of the configuration, lower, and choose another --output."
        )


def is_due(every: int, done: int) -> bool:
    """Whether something that happens after each `every` batches happens now; 0: never."""
    return every > 0 and done % every == 0


def epoch_row(at: Progress, epoch: int, learner: Learns) -> dict[str, Any]:
    """The row of log.csv of an epoch that is done.

    Args:
        at: how far the run is.
        epoch: counted from 0.
        learner: names its figures.
    """
    return {
        "epoch": epoch + 1,
        **{name: round(value, 4) for name, value in learner.named(at.sums / (at.learned or math.nan)).items()},
        "skipped": at.skipped,
        "seconds": round(at.seconds, 1),
        "waited_for_data": round(at.waited, 1),
        "images_per_second": round(at.images / max(at.seconds, 1e-9), 2),
        "step": at.step,
    }


def _step_row(at: Progress, epoch: int, named: dict[str, float], rate: float, norm: float) -> dict[str, Any]:
    return {
        "step": at.step,
        "epoch": epoch + 1,
        **{name: round(value, 6) for name, value in named.items()},
        "learning_rate": rate,
        "gradient_norm": round(norm, 4),
        "images_per_second": round(at.images / at.seconds, 2),
        "share_waited_for_data": round(at.waited / at.seconds, 4),
    }
