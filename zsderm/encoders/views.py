"""Several views of one image: as it is, mirrored and turned. Skin has no upright, so each is as good as the other.

Views are made of the pixels that the encoder has preprocessed, (B, 3, H, W): mirroring and turning that tensor. So a
photograph is decoded and resized once, however many views are taken. What preprocessing would make of the turned
photograph differs by rounding, and by the pixel that a crop of odd size is off centre. Views cost as many passes
through the image tower as there are of them.

Letters: B batch, H and W pixels, V views, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import normalize

from zsderm.config import check_views
from zsderm.errors import SettingsError

if TYPE_CHECKING:
    from zsderm.encoders.base import Encoder

# Quarter turns (anticlockwise) and whether the turned image is then mirrored left to right. The first four are the
# image, its mirror image, the image on its head, and the mirror image on its head; all eight are the symmetries of the
# square.
SYMMETRIES = ((0, False), (0, True), (2, False), (2, True), (1, False), (1, True), (3, False), (3, True))


def views_of(pixels: torch.Tensor, views: int) -> Iterator[torch.Tensor]:
    """The views of a batch, one after the other: beside the pixels themselves one view is held at a time.

    Args:
        pixels: (B, 3, H, W), of any type.
        views: V, one of `zsderm.config.VIEWS`.

    Yields:
        V tensors (B, 3, H, W), in the order of `SYMMETRIES`.

    Raises:
        SettingsError: another number of views, or quarter turns of images that are not square.
    """
    check_views(views)
    if views > 4 and pixels.shape[2] != pixels.shape[3]:
        raise SettingsError(
            f"the encoder takes images of {pixels.shape[3]} x {pixels.shape[2]} pixels, which cannot be turned by a "
            "quarter: use 4 views at most"
        )
    for turns, mirrored in SYMMETRIES[:views]:
        turned = torch.rot90(pixels, turns, (2, 3)) if turns else pixels
        yield (turned.flip(3) if mirrored else turned).contiguous()


def encode_views(encoder: Encoder, pixels: torch.Tensor, views: int) -> torch.Tensor:
    """Encode every view of a batch and average: the mean of the V unit rows of each image, made a unit row again.

    Args:
        encoder: gives a unit row for each view.
        pixels: (B, 3, H, W) float32, rows as the encoder's preprocess makes them.
        views: V; 1 is what ``encoder.encode_pixels`` gives, to the bit.

    Returns:
        (B, D) float32 unit rows on the CPU.

    Raises:
        SettingsError: see `views_of`.
    """
    check_views(views)
    if views == 1:
        return encoder.encode_pixels(pixels)
    total = torch.zeros(len(pixels), encoder.card.width)  # (B, D)
    for view in views_of(pixels, views):
        total += encoder.encode_pixels(view).float().cpu()
    return normalize(total, dim=1)
