"""Photographs into a data set of embeddings: which parts are missing, and who makes them.

Letters: N images, D embedding width, n rows of a part.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zsderm import __version__
from zsderm.embeddings.cache import IMAGES
from zsderm.embeddings.dataset_folder import PART_ROWS, DatasetFolder
from zsderm.embeddings.decoding_ahead import WorkTimes
from zsderm.embeddings.image_features import EMBEDDING, ImageEmbeddings, embed_batches
from zsderm.manifest_files import run_facts
from zsderm.progress import counting

if TYPE_CHECKING:
    from zsderm.encoders.base import Encoder


class Engine(Protocol):
    """Makes parts of a data set."""

    def __call__(self, dataset: DatasetFolder, parts: Sequence[int], tell: Callable[[float], None]) -> None:
        """Write all of the parts, in any order; what is written stays if the work stops.

        Args:
            dataset: that they belong to.
            parts: their numbers, rising; at least one.
            tell: is told how many images' worth of work was done since the last time.
        """
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Makes parts in this process, one after the other.

    Attributes:
        encoder: gives the rows.
        batch_size, workers, cache: see `zsderm.embeddings.embed_images`.
        times: is told where the time goes, or None.
    """

    encoder: Encoder
    batch_size: int = 64
    workers: int | None = None
    cache: str | os.PathLike[str] | None = None
    times: WorkTimes | None = None

    def __call__(self, dataset: DatasetFolder, parts: Sequence[int], tell: Callable[[float], None]) -> None:
        """See `Engine`: images of the next part are decoded while those of this one are encoded."""
        waiting: deque[list[str]] = deque()

        def images() -> Iterator[str]:
            for names in dataset.images(parts):
                waiting.append(names)
                yield from names

        views, sizes = dataset.facts.encoder["views"], [batch_sizes(dataset, part, self.batch_size) for part in parts]
        how: dict[str, Any] = {"batch_size": self.batch_size, "workers": self.workers, "cache": self.cache}
        how |= {"views": views, "tell": tell, "times": self.times}
        batches = embed_batches(self.encoder, images(), sizes=chain.from_iterable(sizes), **how)
        for part, of_part in zip(parts, sizes, strict=True):
            found = joined(islice(batches, len(of_part)))
            dataset.write_part(part, waiting.popleft(), found)


def batch_sizes(dataset: DatasetFolder, part: int, batch_size: int) -> list[int]:
    """How many images the batches of a part have: none reaches into the next part.

    So a part that is made again is made of the same batches, and has the same bytes.
    """
    rows = dataset.facts.rows(part)
    return [min(batch_size, rows.stop - start) for start in range(rows.start, rows.stop, batch_size)]


def joined(batches: Iterable[ImageEmbeddings]) -> ImageEmbeddings:
    """The embeddings of several batches as those of one; at least one batch."""
    found = list(batches)
    starts = np.cumsum([0, *(len(batch.ok) for batch in found)]).tolist()
    errors = {
        start + row: reason for start, batch in zip(starts, found, strict=False) for row, reason in batch.errors.items()
    }
    return ImageEmbeddings(
        np.concatenate([batch.features for batch in found]), np.concatenate([batch.ok for batch in found]), errors
    )


def encoder_facts(encoder: Encoder, views: int) -> dict[str, Any]:
    """What decides about rows, as it stands in the manifest and in every part of a data set."""
    card = encoder.card
    about = {"model": card.name, "fingerprint": encoder.fingerprint, "width": card.width, "licence": card.licence}
    return {**about, "views": views, "decoding": IMAGES}


def embed_dataset(
    place: Any,
    encoder: Encoder,
    images: Iterable[str | os.PathLike[str]],
    *,
    engine: Engine | None = None,
    views: int | None = None,
    part_rows: int = PART_ROWS,
    progress: bool = False,
    passed_over: Mapping[str, int] | None = None,
    run: Mapping[str, str | None] | None = None,
    begun: Callable[[DatasetFolder, int], None] | None = None,
) -> DatasetFolder:
    """Embed images into a data set, or go on where an earlier run stopped: parts that are there are not made again.

    Of these only the beginning and the end are looked at, which shows that a file is whole.

    Args:
        place: a folder, new or of an earlier run with the same images and encoder.
        encoder: gives the rows.
        images: N paths, as from `zsderm.images.walk`.
        engine: makes the parts; by default a `LocalEngine` with its defaults.
        views: how many views of each image are averaged; None for as many as the encoder's card says.
        part_rows: n, how many rows a part has.
        progress: show a bar on stderr if that is a terminal, else a line a minute.
        passed_over: what was left out in folders, counted while `images` is gone through.
        run: which run it is, as `zsderm.manifest_files.run_facts` says it.
        begun: is called before the work with the data set, and how many parts are to be made.

    Returns:
        The data set, in which all parts are there.

    Raises:
        SettingsError: no images, another number of views, a place that cannot be written, or that holds something else.
        InputError: the list, the manifest or a part of an earlier run is damaged.
    """
    run = {**(run or run_facts()), "zsderm": __version__}
    about = encoder_facts(encoder, encoder.card.views if views is None else views)
    dataset = DatasetFolder.begin(
        place, about, map(os.fsdecode, images), part_rows=part_rows, run=run, passed_over=passed_over
    )
    missing = dataset.missing()
    there = sorted(set(range(dataset.facts.parts)).difference(missing))
    failed = sum(map(dataset.failed_in, there))  # before the work, for a part that is damaged is an error
    if begun is not None:
        begun(dataset, len(missing))
    if missing:
        todo = sum(len(dataset.facts.rows(part)) for part in missing)
        with counting(EMBEDDING, todo, progress) as tell:
            (engine or LocalEngine(encoder))(dataset, missing, tell)
    if missing or dataset.finished is None:
        dataset.finish(failed + sum(map(dataset.failed_in, missing)), run)
    return dataset
