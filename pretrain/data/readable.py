"""Whether the images of a run can be read, before anything is built: most of a table that cannot be read stops it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from zsderm.errors import ImageError, PretrainingDataError
from zsderm.file_names import file_and_frame
from zsderm.images import open_image
from zsderm.pretrain.data.records import Record, image_stream

log = logging.getLogger(__name__)
DECODED = 32  # images of a table that are decoded; all are looked for
THREADS = 4
FEWEST_DRAWS = 64  # of an epoch, before their unreadable share says something
Image = tuple[Path, tuple[int, int] | None]  # file, and the place inside a shard


def check_records(records: Sequence[Record], root: Path) -> None:
    """Refuse records of which most images of a table cannot be read.

    Args:
        records: of a run.
        root: the data folder, for the error.

    Raises:
        PretrainingDataError: as `check_images`.
    """
    tables: dict[str, list[Image]] = {}
    for record in records:
        tables.setdefault(record.table, []).append((record.path, record.span))
    check_images(tables, root)


def check_images(tables: Mapping[str, Sequence[Image]], root: Path) -> None:
    """Look for all images and decode a few of each table, evenly spaced; a smaller share that is missing is logged.

    Args:
        tables: the images of each table.
        root: the data folder, for the error.

    Raises:
        PretrainingDataError: most images of a table are not there, or most of those that were decoded cannot be; with
            the file that was tried and the reason.
    """
    listed: dict[Path, frozenset[str]] = {}
    for table, images in tables.items():
        here = [image for image in images if _is_there(image[0], listed)]
        missing = len(images) - len(here)
        if 2 * missing > len(images):
            first = next(path for path, _ in images if not _is_there(path, listed))
            raise _unreadable(table, missing, len(images), f"There is no file {first}", root)
        if missing:
            log.warning("%d of the %d images of %s are not there, and are left out", missing, len(images), table)
        tried = [here[place] for place in np.linspace(0, len(here) - 1, min(DECODED, len(here)), dtype=int)]
        with ThreadPoolExecutor(THREADS) as pool:
            reasons = list(pool.map(_flaw, tried))
        broken = [(path, reason) for (path, _), reason in zip(tried, reasons, strict=True) if reason]
        if 2 * len(broken) > len(tried):
            path, reason = broken[0]
            raise _unreadable(table, len(broken), len(tried), f"{path}: {reason}", root, " that were tried")


def check_draws(read: int, skipped: int, least: int = FEWEST_DRAWS) -> None:
    """Refuse to go on where most of the images that were drawn could not be read.

    Raises:
        PretrainingDataError: that is so, of `least` draws or more.
    """
    if read + skipped >= least and skipped > read:
        raise PretrainingDataError(
            f"{skipped} of the {read + skipped} images that were drawn cannot be read, so the run stops. See which: "
            "zsderm pretrain validate --config FILE"
        )


def _is_there(path: Path, listed: dict[Path, frozenset[str]]) -> bool:
    """Whether a folder lists a file; each folder is read once, which is quick for a million images too."""
    if path.parent not in listed:
        try:
            listed[path.parent] = frozenset(os.listdir(path.parent))
        except (OSError, ValueError):
            listed[path.parent] = frozenset()
    return path.name in listed[path.parent] or file_and_frame(path.name)[0] in listed[path.parent]


def _flaw(image: Image) -> str:
    try:
        with image_stream(*image) as stream:
            open_image(stream, at_least=1)
    except ImageError as error:
        return str(error)
    return ""


def _unreadable(table: str, count: int, of: int, first: str, root: Path, tried: str = "") -> PretrainingDataError:
    return PretrainingDataError(
        f"{count} of the {of} images of {table}{tried} cannot be read. {first}. The data folder is {root}: set another "
        "with --data-root, or see what is wrong with: zsderm pretrain validate"
    )
