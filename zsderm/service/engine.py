"""One model, fed in small batches from all who ask.

Photographs wait in a queue of bounded length; those of somebody who waits for the answer go before those of jobs. The
model takes what is there, up to a batch, one of each request in turn, so that several clients share one pass and one
photograph does not wait behind a hundred of somebody else. The photographs of a job come in
batches of its own, which stay as they are: the last digits of a row depend on the company that it is computed in, and a
job that was interrupted is to end as if it had not been.

Letters: D embedding width, H and W of the encoder's input.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
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
    """The queue is full.

    Args:
        seconds: after which the client can try again.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many photographs are waiting; try again in {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True, eq=False)
class _Waiting:
    pixels: torch.Tensor  # (3, H, W) float32
    views: int
    row: Row


class Engine:
    """The thread that runs the model.

    Args:
        encoder: the model.
        batch_size: number of photographs embedded at once.
        limit: number of photographs that may wait.
        ran: is called after each batch with the number of photographs in it.
    """

    def __init__(
        self, encoder: Encoder, batch_size: int = 16, limit: int = 512, ran: Callable[[int], None] = lambda count: None
    ) -> None:
        self.encoder = encoder
        self._batch_size, self._limit, self._ran = batch_size, limit, ran
        # Of those who wait for an answer, by who asks; the first has the next turn.
        self._asked: OrderedDict[object, deque[_Waiting]] = OrderedDict()
        self._jobs: deque[list[_Waiting]] = deque()  # batches of jobs
        self._changed = threading.Condition()
        self._promised = 0  # photographs that were let in and are being decoded
        self._seconds_each = 0.05  # measured as it runs
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="zsderm-model", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """The number of waiting photographs, including those being decoded."""
        return self._promised + self._asked_for + sum(map(len, self._jobs))

    @property
    def _asked_for(self) -> int:
        return sum(map(len, list(self._asked.values())))

    def let_in(self, count: int) -> None:
        """Reserve places for photographs of a request; `submit` or `leave` releases each of them.

        Raises:
            FullError: there are not enough free places.
        """
        with self._changed:
            if self.waiting + count > self._limit and self.waiting:
                raise FullError(1 + int(self._seconds_each * self.waiting))
            self._promised += count

    def leave(self, count: int) -> None:
        """Release reserved places that are not needed."""
        with self._changed:
            self._promised -= count

    def submit(self, pixels: torch.Tensor, views: int = 1, asker: object = None) -> Row:
        """Queue a photograph of a request that has reserved a place.

        Args:
            pixels: (3, H, W) float32, as the encoder's ``preprocess`` makes them.
            views: number of views that are averaged.
            asker: any object that identifies the request, which takes turns with other requests; None for a new one.

        Returns:
            A future of its (D,) float32 unit row. A row that is cancelled before its turn is not computed.
        """
        waiting = _Waiting(pixels, views, Future())
        with self._changed:
            if self._stopping:
                waiting.row.cancel()
                return waiting.row
            self._promised -= 1
            self._asked.setdefault(waiting if asker is None else asker, deque()).append(waiting)
            self._changed.notify_all()
        return waiting.row

    def submit_batch(self, pixels: Sequence[torch.Tensor], views: int = 1) -> list[Row]:
        """Queue a batch of a job; it is embedded by itself, when no request waits.

        Args:
            pixels: B photographs, see `submit`.
            views: of each of them.

        Returns:
            B futures, see `submit`.
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
        """Stop after the current batch; waiting rows are cancelled."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        for one in (*chain.from_iterable(self._asked.values()), *chain.from_iterable(self._jobs)):
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
            if self._promised and self._asked_for < self._batch_size:  # others are being decoded
                enough = self._batch_size
                self._changed.wait_for(lambda: self._stopping or self._asked_for >= enough, GATHER_SECONDS)
            return _not_cancelled(self._in_turn())

    def _in_turn(self) -> list[_Waiting]:
        """A batch of one photograph of each who asks, again and again, all of as many views."""
        batch: list[_Waiting] = []
        passed_over = 0
        while len(batch) < self._batch_size and passed_over < len(self._asked):
            asker, own = next(iter(self._asked.items()))
            self._asked.move_to_end(asker)
            if batch and own[0].views != batch[0].views:
                passed_over += 1
                continue
            passed_over = 0
            batch.append(own.popleft())
            if not own:
                del self._asked[asker]
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


def _not_cancelled(batch: Sequence[_Waiting]) -> list[_Waiting]:
    return [one for one in batch if one.row.set_running_or_notify_cancel()]
