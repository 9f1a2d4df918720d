"""A hash that survives resizing, another JPEG quality and small changes of light: equal pictures, nearly equal bits.

Letters: N images.
"""

from __future__ import annotations

from functools import cache

import faiss
import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 32  # pixels of the shrunken picture
KEPT = 16  # lowest frequencies each way
BITS = KEPT * KEPT
# Bits in which two hashes may differ. On 7 734 images of HAM10000, 93 of the 96 pairs within 40 bits are of one lesion;
# within 48 bits it is 106 of 135. The usual 64 bits are too few for dermoscopy, where every picture is a dark blot on a
# light ground: 49 of 192 pairs within 2 bits are (benchmarks/experiments/look_alikes.py).
NEARLY_EQUAL = 40

Hashes = npt.NDArray[np.uint8]


def turned_hashes(image: Image.Image, kept: int = KEPT) -> Hashes:
    """The hashes of a picture in its eight positions: as it is, mirrored, and turned.

    The picture is shrunk to 32 x 32 grey pixels; a bit says whether one of its 16 x 16 lowest cosine frequencies is
    above their median. Turning a picture changes signs and swaps axes of its frequencies, so all eight cost one
    transform.

    Args:
        image: any mode and size.
        kept: frequencies each way; 8 gives the usual 64 bits.

    Returns:
        (8, kept ** 2 / 8) uint8, so (8, 32) for 256 bits; the first is that of the picture as it is.

    Source: the DCT hash of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010), with 256
        bits instead of 64.
    """
    grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS), np.float64)
    low = _cosines(kept) @ grey @ _cosines(kept).T  # (kept, kept)
    alternating = (-1.0) ** np.arange(kept)
    positions = [
        axes * rows[:, None] * columns
        for axes in (low, low.T)
        for rows in (np.ones(kept), alternating)
        for columns in (np.ones(kept), alternating)
    ]
    bits = [position > np.median(position) for position in positions]
    return np.stack([np.packbits(bit) for bit in bits])


def nearest_hashes(hashes: Hashes, queries: Hashes, k: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The k stored pictures nearest to each query, in whichever position the query is nearest.

    Args:
        hashes: (N, bytes) uint8, of pictures as they are.
        queries: (Q, 8, bytes) uint8.
        k: at least 1; clipped to N.

    Returns:
        distances in bits and rows, (Q, 8 k') int64 each; a row may stand there once for each position.
    """
    index = faiss.IndexBinaryFlat(8 * hashes.shape[1])
    index.add(np.ascontiguousarray(hashes))
    flat = np.ascontiguousarray(queries.reshape(-1, hashes.shape[1]))
    distances, rows = index.search(flat, min(k, len(hashes)))
    return distances.reshape(len(queries), -1).astype(np.int64), rows.reshape(len(queries), -1)


@cache
def _cosines(kept: int) -> npt.NDArray[np.float64]:
    """(kept, SIDE): the lowest rows of the discrete cosine transform (type II); their scale does not matter."""
    frequency, place = np.arange(kept)[:, None], np.arange(SIDE)[None]
    return np.cos(np.pi * (2 * place + 1) * frequency / (2 * SIDE))
