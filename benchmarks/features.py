"""Embedded images: computed once and kept in a folder, or read with their true classes from an .npz file.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from zsderm.atomic_files import atomic_file
from zsderm.errors import InputError
from zsderm.images import VERSION

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

ARRAYS = ("image_features", "labels", "text_proxies")
BATCH = 64


@dataclass(frozen=True, eq=False)
class Features:
    """N embedded images, their classes, and the text proxies of all C classes."""

    name: str
    image_features: torch.Tensor  # (N, D) float32 unit rows
    labels: NDArray[np.int64]  # (N,)
    text_proxies: torch.Tensor  # (C, D) float32 unit rows


def read_features(file: Path) -> Features:
    """Read image_features (N, D), labels (N,) and text_proxies (C, D) from an .npz file.

    Raises:
        InputError: the file is not such an archive, or its arrays do not fit together.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            images, labels, text = (archive[name] for name in ARRAYS)
    except (KeyError, OSError, ValueError) as error:
        raise InputError(f"Expected {file} to be an .npz with the arrays {', '.join(ARRAYS)}: {error}.") from error
    if images.ndim != 2 or labels.shape != images.shape[:1] or text.shape[1:] != images.shape[1:]:
        raise InputError(
            f"Expected {file} to hold image_features (N, D), labels (N,) and text_proxies (C, D), but got shapes "
            f"{images.shape}, {labels.shape} and {text.shape}."
        )
    if labels.min() < 0 or labels.max() >= len(text):
        raise InputError(f"Expected labels from 0 to {len(text) - 1} in {file}, but got up to {labels.max()}.")
    rows = [normalize(torch.from_numpy(array.astype(np.float32)), dim=1) for array in (images, text)]
    return Features(file.stem, rows[0], labels.astype(np.int64), rows[1])


def image_features(encoder: Encoder, images: Sequence[str | Path], cache: Path | None = None) -> torch.Tensor:
    """Embed images, or read what an earlier run has embedded.

    Args:
        encoder: its fingerprint, the paths of the images and how they are decoded name the file in the cache.
        images: N paths.
        cache: a folder that keeps the rows between runs; None keeps nothing.

    Returns:
        (N, D) float32 unit rows.
    """
    listed = sha256("\n".join([str(VERSION), *map(str, images)]).encode(errors="surrogateescape")).hexdigest()[:16]
    file = cache and cache / f"{encoder.fingerprint}-{listed}.npy"
    if file and file.is_file():
        return torch.from_numpy(np.load(file))
    batches = [list(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    rows = torch.cat([encoder.encode_images(batch) for batch in batches]).float()
    if file:
        with atomic_file(file) as draft, draft.open("wb") as content:
            np.save(content, rows.numpy())
    return rows
