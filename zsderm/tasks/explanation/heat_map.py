"""Where in a photograph did an encoder find one class rather than another?

Two answers. "occlusion" covers one place after another and asks how much the preference shrinks; it needs nothing but
an encoder. "patches" holds the encoder's patch features against the class proxies; it needs a tower that has them, and
a tenth of the time. docs/tasks.md says how faithful each of them is.

Letters: D embedding width, H and W of the encoder's input in pixels, h and w of the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

from zsderm.encoders.patches import encode_patches
from zsderm.errors import SettingsError, did_you_mean
from zsderm.tasks.explanation.field_of_view import FieldOfView, field_of_view

if TYPE_CHECKING:
    from PIL.Image import Image

    from zsderm.encoders import Encoder

HEAT_METHODS = ("occlusion", "patches")
CELLS = 8  # places along each side of an occlusion map
COVER = 2  # cells along each side of what is covered at once: a quarter of the input, about a lesion's size
BATCH = 16  # covered or shifted copies encoded at a time


@dataclass(frozen=True)
class HeatMap:
    """How much each place of a photograph speaks for the winner (above 0) or for the runner-up (below 0)."""

    values: Tensor  # (h, w) float32, in units of cosine, over the field of view
    view: FieldOfView
    size: tuple[int, int]  # width and height of the photograph in pixels

    @property
    def scale(self) -> float:
        """The largest distance from 0."""
        return float(self.values.abs().max())

    @property
    def hottest(self) -> tuple[float, float]:
        """The middle of the place that speaks most for the winner, in pixels of the photograph."""
        row, column = divmod(int(self.values.argmax()), self.values.shape[1])
        return self.view.to_photograph((column + 0.5) / self.values.shape[1], (row + 0.5) / self.values.shape[0])

    def on_photograph(self, width: int, height: int) -> Tensor:
        """The map laid over the whole photograph, smoothed between the middles of its places.

        Args:
            width: pixels of the result.
            height: pixels of the result.

        Returns:
            (height, width) float32; NaN where the encoder does not see.
        """
        x = (torch.arange(width) + 0.5) * (self.size[0] / width)
        y = (torch.arange(height) + 0.5) * (self.size[1] / height)
        u, v = self.view.to_input(x, y)  # (width,), (height,)
        grid = torch.stack(torch.meshgrid(2 * u - 1, 2 * v - 1, indexing="xy"), dim=-1)  # (height, width, 2)
        laid = grid_sample(self.values[None, None], grid[None], padding_mode="border", align_corners=False)[0, 0]
        seen = ((v >= 0) & (v <= 1))[:, None] & ((u >= 0) & (u <= 1))[None]
        return torch.where(seen, laid, torch.nan)


def heat_map(
    encoder: Encoder,
    image: Image,
    towards: Tensor,
    *,
    method: str = "occlusion",
    view: FieldOfView | None = None,
    offset: float = 0.0,
) -> HeatMap:
    """The heat map of a photograph.

    Args:
        encoder: with patch features if the method wants them.
        image: an upright RGB picture, as zsderm.images.open_image gives it.
        towards: (D,) float32, the proxy of the winner minus that of the runner-up.
        method: "occlusion" or "patches".
        view: the field of view for pictures of this size, when it is known already.
        offset: of the cosine that counts for neither of the two; "patches" takes it off, while "occlusion", which
            looks at differences, does not see it.

    Raises:
        SettingsError: there is no such method.
        CheckpointError: the encoder has no patch features, or preprocesses in a way that cannot be traced back.
    """
    check_method(method)
    makers = {"occlusion": occlusion_map, "patches": patch_map}
    values = makers[method](encoder, encoder.preprocess(image), towards)
    if method == "patches":
        values = values - offset
    return HeatMap(values, view or field_of_view(encoder, image.size), image.size)


def check_method(method: str) -> None:
    """Refuse a method that does not exist."""
    if method not in HEAT_METHODS:
        raise SettingsError(
            f"Expected a heat map by {' or '.join(HEAT_METHODS)}, but got {method!r}."
            f"{did_you_mean(method, HEAT_METHODS)}"
        )


def occlusion_map(encoder: Encoder, pixels: Tensor, towards: Tensor) -> Tensor:
    """How much the cosine with a direction falls when a place is covered.

    A square of a quarter of the width slides over the picture; a place is worth the mean fall of the squares that
    cover it.

    Args:
        encoder: any.
        pixels: (3, H, W) as preprocess gives it.
        towards: (D,) float32.

    Returns:
        (8, 8) float32.

    Source: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2.
    """
    starts = range(CELLS - COVER + 1)
    covers = torch.zeros(len(starts) ** 2, CELLS, CELLS)  # one square each
    for index, (row, column) in enumerate((row, column) for row in starts for column in starts):
        covers[index, row : row + COVER, column : column + COVER] = 1
    before = encoder.encode_pixels(pixels[None]) @ towards  # (1,)
    falls = before - torch.cat(
        [encoder.encode_pixels(covered(pixels, some)) @ towards for some in covers.split(BATCH)]
    )  # (squares,)
    return torch.einsum("s,shw->hw", falls, covers) / covers.sum(dim=0)


def covered(pixels: Tensor, covers: Tensor) -> Tensor:
    """Copies of a picture in which some places are blurred beyond recognition.

    Blurred and not grey: an even square has an edge and a colour of its own, to which an encoder may react.

    Args:
        pixels: (3, H, W).
        covers: (S, h, w), 1 where a place is to be covered, 0 elsewhere.

    Returns:
        (S, 3, H, W).
    """
    size = pixels.shape[1:]
    cover = interpolate(covers[:, None], size=size, mode="nearest")  # (S, 1, H, W)
    coarse = interpolate(pixels[None], size=(4, 4), mode="area")
    return pixels * (1 - cover) + interpolate(coarse, size=size, mode="bilinear") * cover


def patch_map(encoder: Encoder, pixels: Tensor, towards: Tensor) -> Tensor:
    """What each patch adds to the cosine with a direction, were the image feature the mean of its patches.

    value_p = patch_p · towards / |image|

    The mean over nine copies, shifted by up to half a patch, doubles the resolution and calms the map. It looks at the
    feature as it is and not at its cosine: a place of empty skin has a short feature that points somewhere, too.

    Args:
        encoder: with patch features.
        pixels: (3, H, W) as preprocess gives it.
        towards: (D,) float32.

    Returns:
        (2h, 2w) float32, four values for each of the tower's h x w patches.

    Raises:
        CheckpointError: the encoder has no patch features.
    """
    height, width = pixels.shape[1:]
    _, _, (h, w) = encode_patches(encoder, pixels[None])
    half = (max(1, height // h // 2), max(1, width // w // 2))
    wide = pad(pixels[None], (half[1], half[1], half[0], half[0]), mode="reflect")[0]
    steps = [(row, column) for row in range(3) for column in range(3)]
    copies = [wide[:, a * half[0] : a * half[0] + height, b * half[1] : b * half[1] + width] for a, b in steps]
    image, patches, _ = encode_patches(encoder, torch.stack(copies))
    values = (patches @ towards / image.norm(dim=1, keepdim=True)).unflatten(1, (h, w))  # (9, h, w)
    fine = values.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)  # (9, 2h, 2w)
    total, count = torch.zeros(2 * h + 2, 2 * w + 2), torch.zeros(2 * h + 2, 2 * w + 2)
    for (row, column), one in zip(steps, fine, strict=True):
        total[row : row + 2 * h, column : column + 2 * w] += one
        count[row : row + 2 * h, column : column + 2 * w] += 1
    return (total / count)[1:-1, 1:-1]
