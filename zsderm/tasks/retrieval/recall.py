"""Recall at K between photographs and their captions, both ways, with equal captions counted as one.

Letters: N images, T distinct captions, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from zsderm.errors import InputError
from zsderm.metrics import accuracy_interval

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

CUTOFFS = (1, 5, 10, 50, 100)
LARGEST_BLOCK = 8_000_000  # scores held at a time: 32 MB


@dataclass(frozen=True)
class RecallFigure:
    """The share of queries that found one of theirs among the first K."""

    k: int
    recall: float
    low: float  # 95 % bootstrap interval over the queries
    high: float
    chance: float  # of a random order


@dataclass(frozen=True)
class Direction:
    """One way of asking."""

    name: str  # "image to text" or "text to image"
    queries: int
    candidates: int
    median_rank: float  # of the best positive; 1 is best
    figures: tuple[RecallFigure, ...]


@dataclass(frozen=True)
class RecallReport:
    """Both ways, and what was counted."""

    images: int  # N
    captions: int  # T
    rows: int  # pairs of image and caption that the table states
    shared: int  # rows whose caption stands with another image too
    directions: tuple[Direction, Direction]

    def to_dict(self) -> dict[str, object]:
        """The figures, ready for JSON."""
        return asdict(self)

    def to_markdown(self) -> str:
        """The figures as a table, and how equal captions were counted."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield "| direction | queries | candidates | K | recall (95 % interval) | by chance |"
        yield "|---|--:|--:|--:|---|--:|"
        for way in self.directions:
            for f in way.figures:
                share = f"{f.recall:.3f} ({f.low:.3f} to {f.high:.3f})"
                yield f"| {way.name} | {way.queries} | {way.candidates} | {f.k} | {share} | {f.chance:.3f} |"
        yield ""
        ranks = "; ".join(f"{way.name} {way.median_rank:g} of {way.candidates}" for way in self.directions)
        yield f"Median rank of the first right answer: {ranks}."
        if self.shared:
            yield (
                f"{self.shared} of {self.rows} captions stand with more than one image. Equal captions count once, and "
                "every image that has the caption is a right answer."
            )


def recall_both_ways(
    image_features: Floats, caption_features: Floats, pairs: Integers, cutoffs: Sequence[int] = CUTOFFS, seed: int = 0
) -> RecallReport:
    """Recall at every cutoff, from images to captions and from captions to images.

    Equal captions have to be one row: then a caption that ten images share has ten right answers, and none of them is
    counted as wrong. A cutoff beyond the number of candidates finds everything, as chance does.

    Args:
        image_features: (N, D) float32 unit rows.
        caption_features: (T, D) float32 unit rows of distinct captions.
        pairs: (rows, 2) image and caption that belong together, each image and each caption at least once.
        cutoffs: the values of K, at least 1.
        seed: of the bootstrap.

    Raises:
        InputError: a cutoff below 1, or an image or a caption without a pair.
    """
    if min(cutoffs) < 1:
        raise InputError(f"expected cutoffs of at least 1, but got {min(cutoffs)}.")
    sizes = len(image_features), len(caption_features)
    for side, count in enumerate(sizes):
        if not np.array_equal(np.unique(pairs[:, side]), np.arange(count)):
            raise InputError(f"expected every {('image', 'caption')[side]} in a pair, and only 0 to {count - 1}.")
    pairs = np.unique(pairs, axis=0)
    images_of = np.bincount(pairs[:, 1], minlength=sizes[1])  # (T,)
    return RecallReport(
        images=sizes[0],
        captions=sizes[1],
        rows=len(pairs),
        shared=int(images_of[images_of > 1].sum()),
        directions=(
            _direction("image to text", image_features, caption_features, pairs, cutoffs, seed),
            _direction("text to image", caption_features, image_features, pairs[:, ::-1], cutoffs, seed),
        ),
    )


def first_ranks(queries: Floats, candidates: Floats, pairs: Integers) -> Integers:
    """The rank of the best positive of each query, 1 upwards.

    Wrong candidates with exactly the same score stand before it, so that an encoder that gives one row to everything
    earns nothing. Scores are computed block by block, never all at once.

    Args:
        queries: (Q, D) float32 unit rows.
        candidates: (M, D) float32 unit rows.
        pairs: (rows, 2) query and candidate that belong together, distinct, each query at least once.

    Returns:
        (Q,) int64.
    """
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    ranks = np.empty(len(queries), np.int64)
    block = max(1, LARGEST_BLOCK // len(candidates))
    for start in range(0, len(queries), block):
        scores = queries[start : start + block] @ candidates.T  # (B, M)
        own = pairs[slice(*np.searchsorted(pairs[:, 0], (start, start + block)))]
        row, right = own[:, 0] - start, own[:, 1]
        best = np.full(len(scores), -np.inf, np.float32)
        np.maximum.at(best, row, scores[row, right])
        scores[row, right] = -np.inf  # what is left are the wrong ones
        ranks[start : start + block] = 1 + (scores >= best[:, None]).sum(axis=1)
    return ranks


def chance_recall(positives: Integers, candidates: int, k: int) -> float:
    """The expected recall at k of a random order, on average over the queries.

    One minus the probability that none of the first k is right: prod over j < k of (M - p - j) / (M - j).

    Args:
        positives: (Q,) p, right answers of each query, at least 1.
        candidates: M.
        k: cutoff; at M and beyond the result is 1.
    """
    if k >= candidates:
        return 1.0
    counts, weights = np.unique(positives, return_counts=True)
    left = candidates - np.arange(k)  # (k,)
    missed = np.clip((left - counts[:, None]) / left, 0, 1).prod(axis=1)  # (distinct p,)
    return float(1 - np.average(missed, weights=weights))


def _direction(
    name: str, queries: Floats, candidates: Floats, pairs: Integers, cutoffs: Sequence[int], seed: int
) -> Direction:
    ranks = first_ranks(queries, candidates, pairs)
    positives = np.bincount(pairs[:, 0], minlength=len(queries))
    figures = []
    for k in cutoffs:
        found = ranks <= k
        low, high = accuracy_interval(found, np.random.default_rng(seed))
        figures.append(RecallFigure(k, float(found.mean()), low, high, chance_recall(positives, len(candidates), k)))
    return Direction(name, len(queries), len(candidates), float(np.median(ranks)), tuple(figures))
