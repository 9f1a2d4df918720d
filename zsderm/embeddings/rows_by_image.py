"""Stored embeddings, found again by the names of their images.

Letters: N images that are asked for, M stored rows, D embedding width.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zsderm.embeddings.feature_files import StoredEmbeddings, read_embeddings
from zsderm.embeddings.image_features import ImageEmbeddings
from zsderm.embeddings.row_blocks import all_names
from zsderm.errors import InputError
from zsderm.file_names import printable
from zsderm.image_names import NO_RANK, ImageNames, Rank, is_end
from zsderm.wording import agrees, counted

if TYPE_CHECKING:
    from zsderm.encoders.base import Encoder

_CHUNK = 4096  # rows looked at a time


def embeddings_of(
    place: str | os.PathLike[str], encoder: Encoder, images: Sequence[str | Path], views: int = 1
) -> ImageEmbeddings:
    """The embeddings of some images out of what ``zsderm embed`` wrote; a few thousand stored rows are in memory.

    Of a data set the names are read first, and rows only from those parts that hold an image that is asked for.

    An image is found by its path. Where no stored path is the same, one counts of which the other is the end, so that
    a folder may be named another way now than it was then.

    Args:
        place: a .npy or .parquet file, or the folder of a data set.
        encoder: that made the rows.
        images: N paths; one may be named twice.
        views: of each image that were averaged.

    Returns:
        (N, D) rows in the order of `images`. What could not be read when the rows were made is not ok, with the reason.

    Raises:
        InputError: see `read_embeddings`; or images that are not among the stored ones, or that fit several of them.
    """
    stored = read_embeddings(place, encoder, views)
    names = [printable(os.fsdecode(image)) for image in images]
    rows = _rows_of(names, stored, place)
    features = np.zeros((len(names), encoder.card.width), np.float32)  # (N, D)
    errors: dict[int, str] = {}
    order = np.argsort(rows, kind="stable")
    for start in range(0, len(order), _CHUNK):
        some = order[start : start + _CHUNK]
        found = np.array(stored.features[rows[some]])
        for index, row, values in zip(some.tolist(), rows[some].tolist(), found, strict=True):
            if reason := stored.errors[row]:
                errors[index] = reason
            else:
                features[index] = values
    ok = np.array([index not in errors for index in range(len(names))], bool)  # (N,)
    return ImageEmbeddings(features, ok, dict(sorted(errors.items())))


def _rows_of(names: Sequence[str], stored: StoredEmbeddings, place: str | os.PathLike[str]) -> np.ndarray:
    """(N,) int64, the stored row of each image; the stored names are gone through, once or twice."""
    asked: defaultdict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        asked[name].append(index)
    rows, shown = np.full(len(names), -1, np.int64), printable(os.fsdecode(place))
    for row, name in enumerate(all_names(stored)):
        for index in asked.get(name, ()):
            rows[index] = row
    left = [name for name, places in asked.items() if rows[places[0]] < 0]
    if left:
        best, twice = _fitting(left, stored)
        if twice is not None:
            raise InputError(
                f"'{twice}' may be several of the images in '{shown}'. Name the folder as it was named for "
                "zsderm embed."
            )
        for name, row in best.items():
            rows[asked[name]] = row
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        of = f"{counted(len(names), 'image')} {agrees(len(names), 'has', 'have')}"
        raise InputError(
            f"{len(missing)} of {of} no embedding in '{shown}', beginning with '{names[missing[0]]}'. Embed them as "
            "well, with: zsderm embed"
        )
    return rows


def _fitting(names: Sequence[str], stored: StoredEmbeddings) -> tuple[dict[str, int], str | None]:
    """For each name the stored row whose path fits best, where one path is the end of the other.

    Returns:
        The rows found, and a name that several fit equally well, if there is one.
    """
    known = ImageNames(names)
    best: dict[int, tuple[Rank, int]] = {}
    doubtful: dict[int, Rank] = {}
    for row, name in enumerate(all_names(stored)):
        numbers, rank = known.meant_by(name)
        if not is_end(rank):
            continue
        for number in numbers:
            if rank > best.get(number, (NO_RANK, -1))[0]:
                best[number] = (rank, row)
            elif rank == best[number][0]:
                doubtful[number] = rank
    twice = next((names[number] for number, rank in doubtful.items() if best[number][0] == rank), None)
    return {names[number]: row for number, (_, row) in best.items()}, twice
