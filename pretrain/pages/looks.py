"""What can be told of a picture from its pixels alone: drawings, charts, and the colours of stained tissue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from PIL import Image

SIDE = 192  # pixels of the longer side at which colours are counted
SMALLEST = 64  # pixels of the shorter side; less shows no skin
PAPER, INK = 232, 70  # of 255: brighter than the one in all colours is paper, darker than the other in all is ink


@dataclass(frozen=True)
class Looks:
    """Shares of the pixels of a picture, from 0 to 1, unless something else is said.

    Attributes:
        paper: near white.
        ink: near black.
        grey: without colour, and neither of the two.
        flat: of the same colour as both neighbours, but for paper and ink.
        few: in the eight most frequent of 512 colours.
        stain: pink to violet, as haematoxylin and eosin colour tissue.
        skin: of the hues of skin, from red to yellow.
        saturation: mean, from 0 to 1.
        corners: how much darker the four corners are than the middle, from -1 to 1.
        detail: mean difference of neighbours in brightness, from 0 to 1.
    """

    paper: float
    ink: float
    grey: float
    flat: float
    few: float
    stain: float
    skin: float
    saturation: float
    corners: float
    detail: float

    def to_json(self) -> dict[str, float]:
        """Ready for JSON, with four decimals."""
        return {name: round(float(value), 4) for name, value in asdict(self).items()}


def looks_of(image: Image.Image) -> Looks:
    """Measure a picture.

    Args:
        image: of any size and mode.
    """
    small = image.convert("RGB")
    factor = max(small.size) / SIDE
    if factor > 1:  # pixels are picked, not mixed: flat areas stay flat
        size = (max(3, round(small.width / factor)), max(3, round(small.height / factor)))
        small = small.resize(size, Image.Resampling.NEAREST)
    rgb = np.asarray(small, np.float32)  # (H, W, 3)
    most, least = rgb.max(axis=2), rgb.min(axis=2)
    paper, ink = least > PAPER, most < INK
    plain = ~(paper | ink)
    hue = np.asarray(small.convert("HSV"), np.float32)[..., 0] * (360 / 256)
    saturation = np.where(most > 0, (most - least) / np.maximum(most, 1), 0)
    coloured = plain & (saturation > 0.12)
    binned = (rgb // 32).astype(int) @ np.array([64, 8, 1])
    counts = np.sort(np.bincount(binned.ravel(), minlength=512))[::-1]
    bright = rgb.mean(axis=2)
    same = (np.abs(np.diff(rgb, axis=1)).max(axis=2)[:-1] < 3) & (np.abs(np.diff(rgb, axis=0)).max(axis=2)[:, :-1] < 3)
    return Looks(
        paper=float(paper.mean()),
        ink=float(ink.mean()),
        grey=float((plain & (saturation <= 0.12)).mean()),
        flat=float((same & plain[:-1, :-1]).mean()),
        few=float(counts[:8].sum() / counts.sum()),
        stain=float((coloured & (hue > 255) & (hue < 346)).mean()),
        skin=float((coloured & ((hue <= 60) | (hue >= 346))).mean()),
        saturation=float(saturation[plain].mean()) if plain.any() else 0.0,
        corners=_corners(bright),
        detail=float(np.abs(np.diff(bright, axis=1)).mean() / 255),
    )


def drawing(looks: Mapping[str, float]) -> str:
    """Why a picture is no photograph: "of one colour", "line art" or "a chart"; an empty string where it may be one.

    Args:
        looks: as `Looks.to_json` gives them.
    """
    if looks["few"] == 1 and looks["detail"] < 0.0005:
        return "of one colour"
    coloured = looks["skin"] + looks["stain"]
    if looks["paper"] > 0.45 and looks["flat"] > 0.4 * (1 - looks["paper"] - looks["ink"]):
        return "a chart"
    if looks["paper"] < 0.45 or coloured > 0.12:
        return "a chart" if looks["few"] > 0.97 and looks["flat"] > 0.9 and looks["detail"] < 0.05 else ""
    return "a chart" if looks["saturation"] > 0.15 else "line art"


def _corners(bright: np.ndarray) -> float:
    height, width = bright.shape
    tall, wide = max(1, height // 10), max(1, width // 10)
    corners = [bright[:tall, :wide], bright[:tall, -wide:], bright[-tall:, :wide], bright[-tall:, -wide:]]
    middle = bright[height // 3 : -height // 3, width // 3 : -width // 3]
    if not middle.size:
        return 0.0
    return float((middle.mean() - np.mean([corner.mean() for corner in corners])) / 255)
