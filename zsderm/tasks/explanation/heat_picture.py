"""A heat map as a picture: over the photograph, and beside it with a legend."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from zsderm.tasks.explanation.heat_map import HeatMap

# Orange against purple: told apart by every common kind of colour blindness, and neither is a colour of skin in grey.
COLOURS = "PuOr_r"
STRONGEST = 0.8  # how much of the photograph the strongest heat hides
UNSEEN = 0.35  # brightness left to what the encoder does not see
PAPER, INK, MUTED = (255, 255, 255), (31, 29, 26), (110, 104, 94)
MARGIN, LINE = 12, 16  # pixels


def overlay(photograph: Image.Image, heat: HeatMap, side: int) -> Image.Image:
    """The photograph in grey under its heat map; where there is no heat it shows through, what is not seen is dark.

    Args:
        photograph: of any size, in the shape of the one that was mapped.
        heat: its map.
        side: pixels of the longer side of the result.
    """
    grey = ImageOps.grayscale(_sized(photograph, side)).convert("RGB")
    laid = heat.on_photograph(*grey.size).numpy()  # (height, width)
    level = np.nan_to_num(laid) / (heat.scale or 1.0)  # -1..1
    colours = _colours(level)  # (height, width, 3), 0..1
    weight = (STRONGEST * np.abs(level) ** 0.7)[..., None]  # the root lets weak heat be seen too
    mixed = (np.asarray(grey) / 255) * (1 - weight) + colours * weight
    mixed[np.isnan(laid)] *= UNSEEN
    return Image.fromarray(np.rint(mixed * 255).astype(np.uint8))


def pair(photograph: Image.Image, heat: HeatMap, winner: str, runner_up: str, side: int = 384) -> Image.Image:
    """Photograph and heat map side by side, with the scale and what it means below.

    Args:
        photograph: of any size.
        heat: its map.
        winner: the class that orange speaks for.
        runner_up: the class that purple speaks for; may be empty.
        side: pixels of the longer side of each picture.
    """
    left, right = _sized(photograph, side), overlay(photograph, heat, side)
    width, top = 2 * left.width + 3 * MARGIN, left.height + 2 * MARGIN
    lines = _wrapped(_meaning(winner, runner_up), width - 2 * MARGIN)
    sheet = Image.new("RGB", (width, top + LINE + 2 * (LINE + 4) + len(lines) * LINE), PAPER)
    sheet.paste(left, (MARGIN, MARGIN))
    sheet.paste(right, (2 * MARGIN + left.width, MARGIN))
    _draw_scale(sheet, top, heat.scale)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((MARGIN, top + 2 * LINE + 8 + number * LINE), line, INK, _font())
    return sheet


def _meaning(winner: str, runner_up: str) -> str:
    if not runner_up:
        return f"Orange: speaks for {winner}. Purple: speaks against it. Not the outline of a lesion; not a diagnosis."
    return f"Orange: {winner}. Purple: {runner_up}. Not the outline of a lesion; not a diagnosis."


def _draw_scale(sheet: Image.Image, top: int, scale: float) -> None:
    """A bar of the colours with the cosine at its ends and at its middle."""
    length = sheet.width - 2 * MARGIN
    ramp = np.rint(_colours(np.linspace(-1, 1, length))[None].repeat(LINE - 4, axis=0) * 255).astype(np.uint8)
    sheet.paste(Image.fromarray(ramp), (MARGIN, top))
    draw, below = ImageDraw.Draw(sheet), top + LINE - 2
    draw.text((MARGIN, below), f"-{scale:.3f}", MUTED, _font())
    draw.text((sheet.width // 2, below), "0", MUTED, _font(), anchor="ma")
    draw.text((sheet.width - MARGIN, below), f"+{scale:.3f} of cosine", MUTED, _font(), anchor="ra")


def _colours(level: NDArray[np.floating]) -> NDArray[np.floating]:
    """Levels from -1 to 1 as red, green and blue from 0 to 1."""
    return mpl.colormaps[COLOURS]((level + 1) / 2)[..., :3]


def _sized(photograph: Image.Image, side: int) -> Image.Image:
    scale = side / max(photograph.size)
    width, height = (max(1, round(length * scale)) for length in photograph.size)
    return photograph.resize((width, height), Image.Resampling.LANCZOS)


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and _font().getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(12)
