"""Images that threads prepare ahead of the encoder, so that neither waits for the other; and how long each did wait."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

Image = TypeVar("Image")
Prepared = TypeVar("Prepared")


@dataclass
class WorkTimes:
    """Where the time goes while images are embedded, in seconds by the clock; grows while they are.

    Attributes:
        workers: threads that prepare images.
        preparing: of all threads together; where the encoder runs on the same processors, waiting for one is in it.
        waiting: in which the encoder had nothing to do, because no whole batch was prepared.
        encoding: in which batches were encoded, and put into the cache.
        between: in which whoever asked for the rows did something with them, such as writing.
    """

    workers: int = 0
    preparing: float = 0.0
    waiting: float = 0.0
    encoding: float = 0.0
    between: float = 0.0

    @property
    def total(self) -> float:
        """From the first image to the last row."""
        return self.waiting + self.encoding + self.between

    @property
    def encoder_waits(self) -> float:
        """The share of the time in which the encoder waited for images, 0 to 1."""
        return self.waiting / self.total if self.total else 0.0

    @property
    def threads_wait(self) -> float:
        """The share of their time in which the threads waited for the encoder, 0 to 1."""
        possible = self.workers * self.total
        return max(0.0, 1 - self.preparing / possible) if possible else 0.0


def prepared_ahead(
    pool: ThreadPoolExecutor,
    prepare: Callable[[Image], Prepared],
    images: Iterable[Image],
    ahead: int,
    times: WorkTimes,
) -> Iterator[Prepared]:
    """Prepared images in their order, of which never more than ``ahead`` are begun before they are asked for.

    Work that was begun goes on while nobody asks: that is when the encoder works.

    Args:
        pool: of the threads.
        prepare: what each of them does with an image.
        images: asked for only as far ahead as the threads are.
        ahead: how many; with two batches one long image holds up nobody while a whole batch is ready beside it.
        times: gets the seconds that the threads worked.
    """

    def timed(image: Image) -> tuple[Prepared, float]:
        begun = time.perf_counter()
        prepared = prepare(image)
        return prepared, time.perf_counter() - begun

    pending: deque[Future[tuple[Prepared, float]]] = deque()

    def first() -> Prepared:
        prepared, seconds = pending.popleft().result()
        times.preparing += seconds
        return prepared

    for image in images:
        pending.append(pool.submit(timed, image))
        if len(pending) > ahead:
            yield first()
    while pending:
        yield first()


@contextmanager
def decoding_threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads; when the block ends, images that nobody asks for any more are not begun."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="zsderm-decode")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # after Ctrl-C the images ahead are not decoded
