"""Pictures of anything but skin, made from a seed: what people put into a folder of photographs by mistake.

Eight kinds: noise, colour, page (of text), screen, drawing, landscape, cat, pattern. All are small and cheap to make.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIDE = 256  # pixels
_TEXT = """the meeting of monday is in room four and lasts one hour please bring figures table totals send open save
file edit view help minutes agenda budget report price date name street number"""
_WORDS = tuple(re.findall(r"\w+", _TEXT))
Colour = tuple[int, int, int]


def made_pictures(of_each: int, seed: int = 0) -> Iterator[tuple[str, Image.Image]]:
    """Pictures of every kind, kind by kind.

    Args:
        of_each: how many of each of the eight kinds.
        seed: of what is random in them.

    Yields:
        The kind, and an RGB image of 200 to 400 pixels a side.
    """
    random = np.random.default_rng(seed)
    for kind, make in KINDS.items():
        for _ in range(of_each):
            yield kind, make(random)


def noise(random: Generator) -> Image.Image:
    """Dots or blots of random colours."""
    if random.random() < 0.5:
        return _image(random.normal(random.uniform(60, 200, 3), random.uniform(20, 80), (SIDE, SIDE, 3)))
    cells = int(2 ** random.integers(2, 7))
    smooth = Image.Resampling.BICUBIC if random.random() < 0.5 else Image.Resampling.NEAREST
    return _image(random.uniform(0, 255, (cells, cells, 3))).resize((SIDE, SIDE), smooth)


def colour(random: Generator) -> Image.Image:
    """One colour, or one that fades into another from top to bottom."""
    top = random.uniform(0, 255, 3)
    low = top if random.random() < 0.5 else random.uniform(0, 255, 3)
    down = np.linspace(0, 1, SIDE)[:, None, None]
    return _image(np.broadcast_to(top * (1 - down) + low * down, (SIDE, SIDE, 3)))


def page(random: Generator) -> Image.Image:
    """A printed page."""
    sheet = Image.new("RGB", (SIDE, int(1.3 * SIDE)), _any(random, 225, 256))
    pen, size = ImageDraw.Draw(sheet), int(random.integers(8, 18))
    for top in range(10, sheet.height - size, int(1.4 * size)):
        if random.random() > 0.1:
            line = " ".join(random.choice(_WORDS, 12))
            pen.text((12, top), line[: int(random.integers(20, 60))], (20, 20, 20), ImageFont.load_default(size))
    return sheet


def screen(random: Generator) -> Image.Image:
    """The window of a program: a bar, a list at the side, lines and buttons."""
    width, height = int(random.integers(200, 400)), int(random.integers(200, 320))
    back, front = ((30, 32, 36), (220, 220, 220)) if random.random() < 0.5 else ((245, 245, 247), (30, 30, 30))
    window, accent = Image.new("RGB", (width, height), back), _any(random, 30, 230)
    pen, font = ImageDraw.Draw(window), ImageFont.load_default(10)
    pen.rectangle((0, 0, width, 22), accent)
    for top in range(30, height - 12, 16):
        pen.text((6, top), str(random.choice(_WORDS)), front, font)
        pen.text((width // 4 + 8, top), " ".join(random.choice(_WORDS, int(random.integers(2, 7)))), front, font)
    for _ in range(int(random.integers(1, 5))):
        left, top = int(random.integers(width // 3, width - 60)), int(random.integers(30, height - 20))
        pen.rounded_rectangle((left, top, left + 50, top + 16), 4, accent)
        pen.text((left + 6, top + 2), "OK", (255, 255, 255), font)
    return window


def drawing(random: Generator) -> Image.Image:
    """Lines, boxes and rings in flat colours."""
    sheet = Image.new("RGB", (SIDE, SIDE), _any(random))
    pen = ImageDraw.Draw(sheet)
    for _ in range(int(random.integers(3, 30))):
        (left, right), (top, low) = (sorted(random.integers(0, SIDE, 2).tolist()) for _ in range(2))
        box, ink = (left, top, right + 1, low + 1), _any(random)
        shape = int(random.integers(4))
        if shape == 0:
            pen.rectangle(box, ink)
        elif shape == 1:
            pen.ellipse(box, outline=ink, width=3)
        elif shape == 2:
            pen.line(box, ink, int(random.integers(1, 8)))
        else:
            pen.polygon([(x, y) for x, y in random.integers(0, SIDE, (5, 2)).tolist()], ink)
    return sheet


def landscape(random: Generator) -> Image.Image:
    """A sky, rows of hills and a sun."""
    high, low = random.uniform([60, 120, 170], [150, 190, 255]), random.uniform([170, 170, 180], [255, 220, 230])
    down = np.linspace(0, 1, SIDE)[:, None, None]
    view = np.broadcast_to(high * (1 - down) + low * down, (SIDE, SIDE, 3)).copy()
    for row in range(int(random.integers(2, 5))):
        ridge = SIDE * (0.45 + 0.13 * row) + _waves(random)
        view[np.arange(SIDE)[:, None] > ridge] = random.uniform([20, 60, 20], [120, 150, 90]) * (1 - 0.15 * row)
    picture = _image(view + random.normal(0, 6, view.shape))
    across, top, size = (int(random.integers(*span)) for span in ((20, SIDE - 40), (10, 60), (15, 40)))
    ImageDraw.Draw(picture).ellipse((across, top, across + size, top + size), (255, 245, 200))
    return picture


def cat(random: Generator) -> Image.Image:
    """The face of a cat, as a child draws it."""
    fur, face = _any(random, 40, 230), Image.new("RGB", (SIDE, SIDE), _any(random, 90, 256))
    pen = ImageDraw.Draw(face)
    for ear in (((60, 110), (75, 30), (120, 80)), ((196, 110), (181, 30), (136, 80))):
        pen.polygon(ear, fur)
    pen.ellipse((48, 60, 208, 220), fur)
    for eye in (95, 160):
        pen.ellipse((eye - 16, 110, eye + 16, 142), (200, 210, 60))
        pen.ellipse((eye - 5, 112, eye + 5, 140), (0, 0, 0))
    pen.polygon(((118, 160), (138, 160), (128, 172)), (230, 130, 140))
    for side in (-1, 1):
        for hair in range(3):
            pen.line((128 + side * 20, 170 + 6 * hair, 128 + side * 90, 160 + 14 * hair), (250, 250, 250), 2)
    grainy = _image(np.asarray(face) + random.normal(0, 8, (SIDE, SIDE, 3)))
    return grainy.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 1.5))))


def pattern(random: Generator) -> Image.Image:
    """Stripes, tiles, bricks or dots: cloth, floors and walls."""
    down, across = np.mgrid[:SIDE, :SIDE]
    period, turn = random.uniform(6, 50), random.uniform(0, math.pi)
    u = across * math.cos(turn) + down * math.sin(turn)
    v = down * math.cos(turn) - across * math.sin(turn)
    where = [
        np.sin(2 * math.pi * u / period) > 0,
        (np.floor(u / period) + np.floor(v / period)) % 2 > 0,
        (u % period < 3) | ((v + period / 2 * (np.floor(u / period) % 2)) % period < 3),
        np.sin(2 * math.pi * u / period) * np.sin(2 * math.pi * v / period) > 0.3,
    ][int(random.integers(4))]
    ink, ground = random.uniform(0, 255, (2, 3))
    return _image(np.where(where[..., None], ink, ground) + random.normal(0, 10, (SIDE, SIDE, 3)))


KINDS: dict[str, Callable[[Generator], Image.Image]] = {
    make.__name__: make for make in (noise, colour, page, screen, drawing, landscape, cat, pattern)
}


def _image(pixels: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _any(random: Generator, least: int = 0, below: int = 256) -> Colour:
    red, green, blue = random.integers(least, below, 3).tolist()
    return red, green, blue


def _waves(random: Generator) -> NDArray[np.float64]:
    """(256,) a line of hills, in pixels."""
    along = np.arange(SIDE)
    parts = [
        random.uniform(4, 22) * np.sin(along * random.uniform(0.01, 0.09) + random.uniform(0, 6)) for _ in range(4)
    ]
    return np.sum(parts, axis=0)
