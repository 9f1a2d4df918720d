"""From a picture of the right size to the numbers that an image tower takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL.Image import Image


def normalised(image: Image, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """(3, H, W) float32: each channel as (value / 255 - mean) / std, to the last bit as torch would give it.

    The arithmetic is left to numpy: torch would start a team of threads for every image of every decoding thread, which
    fight the encoder's own for the processors. On a busy machine that takes a hundred times as long as the arithmetic.

    Args:
        image: RGB, 8 bits, H by W.
        mean: of each channel, 0 to 1.
        std: of each channel, above 0.
    """
    centre, spread = (np.asarray(values, np.float32)[:, None, None] for values in (mean, std))
    pixels = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)).astype(np.float32)  # (3, H, W)
    return torch.from_numpy((pixels / np.float32(255) - centre) / spread)
