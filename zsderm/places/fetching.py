"""Photographs in buckets, fetched before they are asked for, so that nobody waits for one answer after the other."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, TypeVar

from zsderm.places.addresses import is_address

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 16  # requests; a store answers each after some hundredths of a second
AHEAD = 2 * AT_ONCE  # photographs held, each in memory up to 16 MiB, and on the disk above that


class Fetched(str):
    """An address whose photograph is on its way.

    Attributes:
        stream: when it is there, the open photograph or what went wrong.
    """

    stream: Future[BinaryIO]

    def taken(self) -> BinaryIO:
        """The photograph, once; waits until it is there.

        Raises:
            ImageError, InputError: as `zsderm.images.open_file`.
        """
        return self.stream.result()


def fetched_ahead(images: Iterable[Any], opened: Callable[[str], BinaryIO]) -> Iterator[Any]:
    """Images in their order; addresses among them as `Fetched`, begun some time before they come out.

    Args:
        images: paths, addresses or whatever else; asked for `AHEAD` ahead once the first address has come.
        opened: fetches an address.
    """
    waiting: deque[Any] = deque()
    pool: ThreadPoolExecutor | None = None
    complete = False
    try:
        for image in images:
            if pool is None and not (isinstance(image, str) and is_address(image)):
                yield image  # most lists are of files on disks, and need none of this
                continue
            pool = pool or ThreadPoolExecutor(AT_ONCE, thread_name_prefix="zsderm-fetch")
            waiting.append(_begun(pool, image, opened))
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
        complete = True
    finally:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=not complete)
        for left in waiting:
            if isinstance(left, Fetched):
                left.stream.add_done_callback(_closed)


def mapped_ahead(
    items: Iterable[Item], function: Callable[[Item], Result], at_once: int = AT_ONCE
) -> Iterator[tuple[Item, Result]]:
    """Items in their order with what a function gives for each, so many at a time, and twice as many ahead."""
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="zsderm-fetch")
    try:
        for item in items:
            waiting.append((item, pool.submit(function, item)))
            if len(waiting) > 2 * at_once:
                first, result = waiting.popleft()
                yield first, result.result()
        for item, result in waiting:
            yield item, result.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begun(pool: ThreadPoolExecutor, image: Any, opened: Callable[[str], BinaryIO]) -> Any:
    if not (isinstance(image, str | os.PathLike) and is_address(os.fspath(image))):
        return image
    found = Fetched(image)
    found.stream = pool.submit(opened, str(image))
    return found


def _closed(stream: Future[BinaryIO]) -> None:
    if not stream.cancelled() and stream.exception() is None:
        stream.result().close()
