"""One model, fed in small batches from all who ask.

Photographs wait in a queue of bounded length; those of somebody who waits for the answer go before those of jobs. The
model takes what is there, up to a batch, so that several clients share one pass.

Letters: D embedding width, H and W of the encoder's input.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from zsderm.embeddings.cache import is_unit
from zsderm.encoders.views import encode_views
from zsderm.errors import ImageError
from zsderm.service.problems import where

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.004  # how long a photograph waits for company when the model is free

Row = Future[np.ndarray]


class FullError(Exception):
    """Too many photographs wait.

    Args:
        seconds: after which it is worth asking again.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many photographs are waiting; ask again in {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True, eq=False)
class _Waiting:
    pixels: torch.Tensor  # (3, H, W) float32
    views: int
    row: Row


class Engine:
    """A thread with the model.

    Args:
        encoder: the model.
        batch_size: photographs that it sees at once.
        limit: photographs that may wait.
        ran: is called after each batch with the number of photographs in it.
    """

    def __init__(
        self, encoder: Encoder, batch_size: int = 16, limit: int = 512, ran: Callable[[int], None] = lambda count: None
    ) -> None:
        self.encoder = encoder
        self._batch_size, self._limit, self._ran = batch_size, limit, ran
        self._lines: tuple[deque[_Waiting], deque[_Waiting]] = (deque(), deque())  # who waits for an answer; jobs
        self._changed = threading.Condition()
        self._promised = 0  # photographs that were let in and are being decoded
        self._seconds_each = 0.05  # measured as it runs
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="zsderm-model", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many photographs wait, those that are being decoded included."""
        return self._promised + sum(map(len, self._lines))

    def let_in(self, count: int) -> None:
        """Keep places for photographs that somebody waits for; `submit` or `leave` gives each of them back.

        Raises:
            FullError: there are not so many.
        """
        with self._changed:
            if self.waiting + count > self._limit and self.waiting:
                raise FullError(1 + int(self._seconds_each * self.waiting))
            self._promised += count

    def leave(self, count: int) -> None:
        """Give places back that were kept for nothing."""
        with self._changed:
            self._promised -= count

    def submit(self, pixels: torch.Tensor, views: int = 1, *, urgent: bool = True) -> Row:
        """Let the model see a photograph.

        Args:
            pixels: (3, H, W) float32, as the encoder's ``preprocess`` makes them.
            views: how many views of it are averaged.
            urgent: whether somebody waits, who has been let in; otherwise it is of a job, which waits behind.

        Returns:
            Its (D,) float32 unit row, later. A row that is cancelled before its turn is not computed.
        """
        waiting = _Waiting(pixels, views, Future())
        with self._changed:
            if self._stopping:
                waiting.row.cancel()
                return waiting.row
            if urgent:
                self._promised -= 1
            self._lines[not urgent].append(waiting)
            self._changed.notify_all()
        return waiting.row

    def stop(self) -> None:
        """End after the batch that runs; rows that still wait are cancelled."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        for line in self._lines:
            while line:
                line.popleft().row.cancel()

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            if batch:
                self._embed(batch)

    def _next_batch(self) -> list[_Waiting] | None:
        """What the model sees next, all of as many views; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or any(self._lines))
            if self._stopping:
                return None
            if sum(map(len, self._lines)) < self._batch_size:
                self._changed.wait_for(
                    lambda: self._stopping or sum(map(len, self._lines)) >= self._batch_size, GATHER_SECONDS
                )
            batch: list[_Waiting] = []
            for line in self._lines:
                while line and len(batch) < self._batch_size and (not batch or line[0].views == batch[0].views):
                    one = line.popleft()
                    if one.row.set_running_or_notify_cancel():
                        batch.append(one)
            return batch

    def _embed(self, batch: Sequence[_Waiting]) -> None:
        started = time.monotonic()
        try:
            with torch.inference_mode():
                found = encode_views(self.encoder, torch.stack([one.pixels for one in batch]), batch[0].views)
            rows = found.float().cpu().numpy()  # (B, D)
        except Exception as error:  # noqa: BLE001  # whatever a model raises is for those who asked; the thread goes on
            log.error("the model failed on a batch: %s", where(error))
            for one in batch:
                one.row.set_exception(error)
            return
        for one, row in zip(batch, rows, strict=True):
            if is_unit(row):
                one.row.set_result(row)
            else:
                one.row.set_exception(ImageError("the encoder gave no finite unit row for this image"))
        each = (time.monotonic() - started) / len(batch)
        self._seconds_each += 0.1 * (each - self._seconds_each)
        self._ran(len(batch))
