"""Do two sets of photographs share images, or patients? Equal files, look-alikes and near neighbours, pair by pair.

Letters: N images of both sets together, D embedding width.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from zsderm.embeddings import embed_images, embeddings_of
from zsderm.embeddings.vector_index import VectorIndex
from zsderm.errors import ImageError
from zsderm.file_names import printable
from zsderm.images import file_hash, open_file, read_header
from zsderm.places import fetched_ahead
from zsderm.tasks.audit.image_sets import ImageSet
from zsderm.tasks.audit.perceptual_hash import BITS, NEARLY_EQUAL, nearest_hashes, turned_hashes
from zsderm.tasks.audit.report import AuditReport, Overlap, Pair
from zsderm.wording import none_of

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

NEIGHBOURS = 5  # looked at per image and set, so that a set of black frames does not end in millions of pairs
# For the bundled encoder, which was trained to tell diagnoses: of nearest neighbours in HAM10000, 413 of 22 428 pairs
# above 0.998 are of one lesion, 11 of 36 above 0.9999, and 4 of 4 above this (benchmarks/experiments/look_alikes.py).
# Others need one of their own.
SAME_COSINE = 0.99995

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
# Rows of stored images, rows of Q asked ones, and k: how close each is to its nearest stored ones (Q, k), and which
# these are, as places among the stored (Q, k).
Nearest = Callable[[Rows, Rows, int], tuple[Floats, Rows]]


@dataclass(frozen=True, eq=False)
class Prints:
    """What is kept of N images: contents hash, perceptual hashes, and which could be read."""

    digests: tuple[str, ...]  # SHA-256 of the file; empty for a file that cannot be read
    hashes: npt.NDArray[np.uint8]  # (N, 8, 32)
    errors: Mapping[int, str]

    @classmethod
    def of(cls, paths: Sequence[Path | str], advance: Callable[[], None] = lambda: None) -> Prints:
        """Read the images one at a time; of each, 300 bytes stay in memory."""
        digests, errors = [""] * len(paths), {}
        hashes = np.zeros((len(paths), 8, BITS // 8), np.uint8)
        for row, path in enumerate(fetched_ahead(paths, open_file)):
            try:
                with open_file(path) as content:
                    with read_header(content).decoded() as picture:
                        hashes[row] = turned_hashes(picture)
                    digests[row] = file_hash(content)
            except ImageError as error:
                errors[row] = str(error)
            except OSError as error:
                errors[row] = error.strerror or str(error)
            advance()
        return cls(tuple(digests), hashes, errors)


def audit(
    train: ImageSet,
    test: ImageSet | None = None,
    *,
    encoder: Encoder | None = None,
    bits: int = NEARLY_EQUAL,
    cosine: float = SAME_COSINE,
    cache: str | os.PathLike[str] | None = None,
    batch_size: int = 64,
    progress: bool = False,
    advance: Callable[[], None] = lambda: None,
    embeddings: str | os.PathLike[str] | None = None,
) -> AuditReport:
    """Compare two sets with each other and each with itself, or one set with itself.

    A pair is reported once, with the strongest reason: "exact" (equal files), "perceptual" (hashes within ``bits``, in
    any of eight positions), "embedding" (cosine of at least ``cosine``). Of equal files, each is paired with the first
    in its own set and the first in the other; of look-alikes, each image's nearest five per set are looked at.

    Args:
        train: the one set.
        test: the other; None audits ``train`` alone.
        encoder: gives embeddings; None leaves that comparison out.
        bits: of 256, in which perceptual hashes may differ.
        cosine: at which embeddings count as near-duplicates.
        cache: folder for image features; None keeps nothing.
        batch_size: images encoded at once.
        progress: show a bar for embedding on stderr if that is a terminal.
        advance: called after each image that was hashed.
        embeddings: what ``zsderm embed`` wrote of these images with this encoder, to be used in place of encoding
            them: a .npy or .parquet file, or the folder of a data set.

    Raises:
        ImageError: no image of a set can be read.
        InputError: embeddings of another encoder, or that lack some of the images.
    """
    sets = [train] if test is None else [train, test]
    paths = [path for images in sets for path in images.paths]
    side = np.repeat(np.arange(len(sets)), [len(images) for images in sets])  # (N,)
    features = None
    if encoder is not None and embeddings is not None:  # before the long work: a mistake of the user shows here
        features = embeddings_of(embeddings, encoder, paths).features
    prints = Prints.of(paths, advance)
    readable = np.array([bool(digest) for digest in prints.digests])
    for number, images in enumerate(sets):
        if not readable[side == number].any():
            first = next(row for row in prints.errors if side[row] == number)
            source, reason = printable(images.source), prints.errors[first]
            raise ImageError(f"{none_of(len(images), 'image')} be read in {source}: {reason}")
    found: dict[tuple[int, int], Pair] = {}
    # Weakest first, so that a stronger reason for the same pair replaces it.
    if encoder is not None and features is None:
        features = embed_images(encoder, paths, batch_size=batch_size, cache=cache, progress=progress).features
    if features is not None:
        for one, other, value in _close_pairs(side, readable, _by_cosine(features), cosine):
            found[one, other] = Pair("embedding", _where(side, one, other), one, other, cosine=value)
    for one, other, value in _close_pairs(side, readable, _by_bits(prints.hashes), BITS - bits):
        found[one, other] = Pair("perceptual", _where(side, one, other), one, other, bits=BITS - int(value))
    for one, other in _equal_files(prints.digests, side):
        found[one, other] = Pair("exact", _where(side, one, other), one, other)
    # Near neighbours that are equal files are told once, by their star.
    pairs = [p for p in found.values() if p.kind == "exact" or prints.digests[p.one] != prints.digests[p.other]]
    return AuditReport(
        sets=tuple(sets),
        pairs=tuple(sorted(pairs, key=Pair.order)),
        overlaps=tuple(overlaps(train, test)) if test is not None else (),
        errors={str(paths[row]): reason for row, reason in prints.errors.items()},
        bits=bits,
        cosine=cosine if encoder is not None else None,
        encoder="" if encoder is None else f"{encoder.card.name} ({encoder.fingerprint})",
        features=features,
    )


def overlaps(train: ImageSet, test: ImageSet) -> Iterator[Overlap]:
    """For each group column of both sets, the patients or lesions that stand in both; unknown ones match nobody."""
    for column in train.groups:
        here, there = set(train.groups[column]) - {""}, set(test.groups.get(column, ())) - {""}
        shared = sorted(here & there)
        touched = sum(group in here for group in test.groups.get(column, ()) if group)
        yield Overlap(column, len(here), len(there), tuple(shared), touched)


def _equal_files(digests: Sequence[str], side: Rows) -> Iterator[tuple[int, int]]:
    """Each file with the first equal one of its own set, and the first of the test set's with the first of train."""
    first: dict[str, dict[int, int]] = defaultdict(dict)
    for row, digest in enumerate(digests):
        if not digest:
            continue
        own = int(side[row])
        if own in first[digest]:
            yield first[digest][own], row
        for other_side, other in first[digest].items():
            if other_side != own:
                yield other, row
        first[digest].setdefault(own, row)


def _close_pairs(
    side: Rows, readable: npt.NDArray[np.bool_], nearest: Nearest, least: float
) -> Iterator[tuple[int, int, float]]:
    """(row, later row, closeness) of the images that are at least so close, in their own set and across."""
    for stored_side in np.unique(side):
        for asked_side in np.unique(side[side >= stored_side]):
            stored = np.flatnonzero(readable & (side == stored_side))
            asked = np.flatnonzero(readable & (side == asked_side))
            # Within a set every image finds itself first.
            closeness, places = nearest(stored, asked, NEIGHBOURS + int(stored_side == asked_side))
            best: dict[tuple[int, int], float] = {}
            for query, rank in np.argwhere((closeness >= least) & (places >= 0)).tolist():
                one, other = sorted((int(stored[places[query, rank]]), int(asked[query])))
                if one != other:
                    best[one, other] = max(float(closeness[query, rank]), best.get((one, other), -np.inf))
            yield from ((*pair, value) for pair, value in best.items())


def _by_cosine(features: npt.NDArray[np.float32]) -> Nearest:
    def nearest(stored: Rows, asked: Rows, k: int) -> tuple[Floats, Rows]:
        return VectorIndex.build(features[stored]).search(features[asked], k)

    return nearest


def _by_bits(hashes: npt.NDArray[np.uint8]) -> Nearest:
    """Closeness is the number of equal bits."""

    def nearest(stored: Rows, asked: Rows, k: int) -> tuple[Floats, Rows]:
        distances, places = nearest_hashes(hashes[stored, 0], hashes[asked], k)
        return (BITS - distances).astype(np.float32), places

    return nearest


def _where(side: Rows, one: int, other: int) -> str:
    if side[one] != side[other]:
        return "across"
    return "within test" if side[one] else "within train"
