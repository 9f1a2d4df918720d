"""Which part of a photograph does an encoder see, and how are its values scaled?

Encoders resize, crop, squash or pad in their own ways and do not say how. So they are asked: pictures whose values are
their coordinates go through preprocess, and what comes out says where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from zsderm.errors import CheckpointError

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

GOLDEN = (5**0.5 - 1) / 2  # multiples of it fall evenly between 0 and 1, so dithering with them averages out
PROBE_SIDE = 256  # pixels that the shorter side of a probe has at least; a multiple of the photograph, for its shape
TOLERANCE = 0.02  # of a side; resizing bends a ramp by less, except at its ends


@dataclass(frozen=True)
class FieldOfView:
    """A rectangle of the photograph that fills the encoder's input, in pixels from the upper left corner.

    It reaches beyond the photograph where the encoder pads, and mirrors it where an end lies before its start.
    """

    left: float
    top: float
    right: float
    bottom: float

    def to_input(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Places of the photograph, in pixels, as shares of the input's width and height; 0 to 1 is seen."""
        return (x - self.left) / (self.right - self.left), (y - self.top) / (self.bottom - self.top)

    def to_photograph(self, u: float, v: float) -> tuple[float, float]:
        """A place of the input, as shares of its width and height, in pixels of the photograph."""
        return self.left + u * (self.right - self.left), self.top + v * (self.bottom - self.top)


def field_of_view(encoder: Encoder, size: tuple[int, int]) -> FieldOfView:
    """What an encoder sees of photographs of one size.

    Args:
        encoder: its preprocess may resize, crop, squash, pad and normalise.
        size: width and height of the photograph in pixels.

    Raises:
        CheckpointError: preprocess does something else as well, so that a place has no one origin.
    """
    times = -(-PROBE_SIDE // min(size))  # rounded up
    width, height = size[0] * times, size[1] * times
    black, white = (
        encoder.preprocess(Image.new("RGB", (width, height), colour)) for colour in ("black", "white")
    )  # (3, H, W)
    span = (white - black).mean(dim=0)  # (H, W), 0 where the encoder pads
    seen = span > span.max() / 2
    shares = [
        (encoder.preprocess(ramp) - black).mean(dim=0) / span.clamp(min=1e-6)
        for ramp in (_ramp(width, height), _ramp(height, width).transpose(Image.Transpose.TRANSPOSE))
    ]
    across = _ends(shares[0].numpy(), seen.numpy(), encoder)
    down = _ends(shares[1].T.numpy(), seen.T.numpy(), encoder)
    return FieldOfView(across[0] * size[0], down[0] * size[1], across[1] * size[0], down[1] * size[1])


def _ramp(length: int, breadth: int) -> Image.Image:
    """A grey picture, ``length`` wide, that goes from black at the left to white at the right."""
    levels = 255 * (np.arange(length) + 0.5) / length
    dither = (np.arange(breadth) * GOLDEN) % 1  # 256 grey levels alone would be too coarse for a wide picture
    grey = np.floor(levels + dither[:, None]).clip(0, 255).astype(np.uint8)  # (breadth, length)
    return Image.fromarray(grey).convert("RGB")


def _ends(shares: NDArray[np.float32], seen: NDArray[np.bool_], encoder: Encoder) -> tuple[float, float]:
    """Where the first and the last column end, from (H, W) shares that should grow evenly with the column."""
    columns = np.broadcast_to(np.arange(shares.shape[1]) + 0.5, shares.shape)
    inner = seen & (shares > TOLERANCE) & (shares < 1 - TOLERANCE)  # the rest is bent by resizing, or cut off
    if inner.sum() < 2:
        inner = seen
    slope, start = np.polyfit(columns[inner], shares[inner].astype(np.float64), 1)
    off = np.abs(start + slope * columns - shares)[inner].mean()
    if off > TOLERANCE or slope == 0:
        raise CheckpointError(
            f"the preprocessing of '{encoder.card.name}' is more than resizing, cropping and padding "
            f"(off by {off:.0%} of a side), so a place of its input cannot be found in the photograph"
        )
    return float(start), float(start + slope * shares.shape[1])
