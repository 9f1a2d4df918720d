"""One model, fed in small batches from all who ask.

Photographs wait in a queue of bounded length; those of somebody who waits for the answer go before those of jobs. The
model takes what is there, up to a batch, so that several clients share one pass. The photographs of a job come in
batches of its own, which stay as they are: the last digits of a row depend on the company that it is computed in, and a
job that was interrupted is to end as if it had not been.

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
from itertools import chain
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
        self._asked: deque[_Waiting] = deque()  # of those who wait for an answer
        self._jobs: deque[list[_Waiting]] = deque()  # batches of jobs
        self._changed = threading.Condition()
        self._promised = 0  # photographs that were let in and are being decoded
        self._seconds_each = 0.05  # measured as it runs
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="zsderm-model", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many photographs wait, those that are being decoded included."""
        return self._promised + len(self._asked) + sum(map(len, self._jobs))

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

    def submit(self, pixels: torch.Tensor, views: int = 1) -> Row:
        """Let the model see a photograph that somebody waits for, who has been let in.

        Args:
            pixels: (3, H, W) float32, as the encoder's ``preprocess`` makes them.
            views: how many views of it are averaged.

        Returns:
            Its (D,) float32 unit row, later. A row that is cancelled before its turn is not computed.
        """
        waiting = _Waiting(pixels, views, Future())
        with self._changed:
            if self._stopping:
                waiting.row.cancel()
                return waiting.row
            self._promised -= 1
            self._asked.append(waiting)
            self._changed.notify_all()
        return waiting.row

    def submit_batch(self, pixels: Sequence[torch.Tensor], views: int = 1) -> list[Row]:
        """Let the model see a batch of a job by itself, when nobody waits for an answer.

        Args:
            pixels: B photographs, see `submit`.
            views: of each of them.

        Returns:
            B rows, see `submit`.
        """
        batch = [_Waiting(one, views, Future()) for one in pixels]
        with self._changed:
            if self._stopping:
                for one in batch:
                    one.row.cancel()
            elif batch:
                self._jobs.append(batch)
                self._changed.notify_all()
        return [one.row for one in batch]

    def stop(self) -> None:
        """End after the batch that runs; rows that still wait are cancelled."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        for one in (*self._asked, *chain.from_iterable(self._jobs)):
            one.row.cancel()

    def _run(self) -> None:
        while (batch := self._next_batch()) is not None:
            if batch:
                self._embed(batch)

    def _next_batch(self) -> list[_Waiting] | None:
        """What the model sees next, all of as many views; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._asked or self._jobs)
            if self._stopping:
                return None
            if not self._asked:
                return _not_cancelled(self._jobs.popleft())
            if self._promised and len(self._asked) < self._batch_size:  # others are being decoded
                enough = self._batch_size
                self._changed.wait_for(lambda: self._stopping or len(self._asked) >= enough, GATHER_SECONDS)
            batch = [self._asked.popleft()]
            while self._asked and len(batch) < self._batch_size and self._asked[0].views == batch[0].views:
                batch.append(self._asked.popleft())
            return _not_cancelled(batch)

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


def _not_cancelled(batch: Sequence[_Waiting]) -> list[_Waiting]:
    return [one for one in batch if one.row.set_running_or_notify_cancel()]
