"""Photographs made small for the page: of a size that fits their number, and decoded ahead of it by threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from zsderm import images
from zsderm.display.pictures import small_picture
from zsderm.errors import ImageError

THUMBNAIL_SIDE = 256  # pixels of the longer side; shown at half of it, so that it stays sharp on dense screens
# Up to so many photographs on a page, the longer side of each: a page of 5 000 should still open on a telephone.
SIDES = ((300, 512), (1_500, 384), (6_000, 224))
SMALLEST_SIDE = 160
MOST_WORKERS = 8  # decoding stops gaining beyond this


def side_for(count: int) -> int:
    """Pixels of the longer side of each of so many pictures on a page."""
    return next((side for most, side in SIDES if count <= most), SMALLEST_SIDE)


def thumbnail(picture: images.ImageSource, side: int = THUMBNAIL_SIDE) -> str:
    """The picture as a small JPEG in a data URI, or an empty string when it cannot be opened; see `small_picture`."""
    try:
        return small_picture(picture, side)
    except ImageError:
        return ""


def thumbnails(pictures: Iterable[images.ImageSource | None], side: int) -> Iterator[str]:
    """A thumbnail of each picture, in order; an empty string for None and for what cannot be opened.

    Files are decoded by threads, a few ahead of what is asked for, so that memory does not grow with their number.
    """
    workers = min(MOST_WORKERS, os.cpu_count() or 1)
    pending: deque[Future[str] | str] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for picture in pictures:
            pending.append(_begun(pool, picture, side))
            if len(pending) > 2 * workers:
                yield _done(pending.popleft())
        while pending:
            yield _done(pending.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _begun(pool: ThreadPoolExecutor, picture: images.ImageSource | None, side: int) -> Future[str] | str:
    if picture is None:
        return ""
    if isinstance(picture, str | os.PathLike):
        return pool.submit(thumbnail, picture, side)
    return thumbnail(picture, side)  # one picture or stream may be given twice, and is not for two threads at once


def _done(begun: Future[str] | str) -> str:
    return begun if isinstance(begun, str) else begun.result()
