"""What a training image goes through: crop, mirror, turn, camera, light, compression, hair.

Cameras differ in resolution, sharpness, white balance, exposure, vignette and compression, and an encoder that has
seen one camera takes its colours for signs of disease. So each draw of an image is given a camera of its own.

A draw is a row of numbers, made from its seed alone (`draw_effects`); a batch of squares goes through all effects at
once, on any device (`apply_effects`). Crop, mirror and loss of resolution are one product with two matrices, because
resampling with a triangle filter is linear and separable; everything that a camera does to colours is one 3 x 3 matrix,
a factor and an offset.

B images in a batch, S0 side of the stored squares, S side of the square that the image tower sees.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from zsderm.pretrain.config import Augmentation

HAIRS = 6  # most hairs in an image
GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601, the one of JPEG
# Columns of a row of effects.
CROP = slice(0, 4)  # left, top, right, bottom of the crop, in [0, 1] of the stored square
MIRRORED, TURNED = 4, 5  # left-right; by a quarter
SIDE = 6  # pixels that the crop is reduced to before it is enlarged again; 0: as sharp as it is
COLOURS = slice(7, 16)  # 3 x 3, row after row
FACTOR, CONTRAST = 16, 17  # brightness; contrast around the mean grey of the crop
QUALITY = 18  # of JPEG; 0: none
VIGNETTE = slice(19, 22)  # x, y of the centre and radius, in sides; radius 0: none
# For each hair x, y of the centre of its arc, radius and half the width, in sides; width 0: none.
HAIR = slice(22, 22 + 4 * HAIRS)
COLUMNS = HAIR.stop

# Quantisation tables of JPEG at quality 50 (ITU-T T.81, annex K), luminance and chrominance.
LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8 for _ in range(4)),
)


def draw_effects(settings: Augmentation, seed: int, aspect: float = 1.0) -> Tensor:
    """The effects of one draw.

    Args:
        settings: how strong each effect is and how often it occurs.
        seed: equal seeds give equal effects.
        aspect: width by height of the image before it was squeezed into a square.

    Returns:
        (COLUMNS,) float32, see the columns above.
    """
    rng = np.random.default_rng(seed)
    row = np.zeros(COLUMNS)
    row[CROP] = _crop(settings.crop_scale, aspect, rng)
    row[MIRRORED] = rng.random() < 0.5
    turn = rng.integers(4) if settings.quarter_turns else 2 * rng.integers(2)
    if turn >= 2:  # upside down: both edges of the crop are exchanged
        row[CROP] = row[CROP][[2, 3, 0, 1]]
    row[TURNED] = turn % 2
    if rng.random() < settings.resolution_probability:
        low, high = settings.resolution
        row[SIDE] = math.exp(rng.uniform(math.log(low), math.log(high)))
    row[COLOURS], row[FACTOR], row[CONTRAST] = _colours(settings, rng)
    if rng.random() < settings.jpeg_probability:
        row[QUALITY] = rng.uniform(*settings.jpeg)
    if rng.random() < settings.vignette_probability:
        row[VIGNETTE] = (*rng.uniform(0.4, 0.6, size=2), rng.uniform(0.45, 0.65))
    if rng.random() < settings.hair_probability:
        row[HAIR] = _hairs(rng)
    return torch.from_numpy(row).float()


def apply_effects(squares: Tensor, effects: Tensor, size: int) -> Tensor:
    """Images as an unknown camera would have taken them.

    Args:
        squares: (B, 3, S0, S0) uint8, or float in [0, 1].
        effects: (B, COLUMNS) float32, on any device.
        size: S, in pixels.

    Returns:
        (B, 3, S, S) float32 in [0, 1], on the device of the squares.
    """
    effects = effects.to(squares.device)
    pixels = squares.float() / 255 if squares.dtype == torch.uint8 else squares.float()
    pixels = _resampled(pixels, effects, size)
    pixels = _hairy(pixels, effects[:, HAIR])
    pixels = _recoloured(pixels, effects)
    pixels = _vignetted(pixels, effects[:, VIGNETTE])
    compressed = effects[:, QUALITY] > 0
    if bool(compressed.any()):
        pixels[compressed] = jpeg(pixels[compressed], effects[compressed, QUALITY])
    return pixels


def resampling(low: Tensor, high: Tensor, source: int, size: int, side: Tensor) -> Tensor:
    """Matrices that cut a stretch out of a line of pixels and bring it to another length, with a triangle filter.

    Where the stretch is longer than what comes out, the filter widens so that nothing is left between the samples (as
    in Pillow's BILINEAR). `side` widens it further, as if the stretch had been reduced to so many pixels in between.

    Args:
        low: (B,) where the stretch begins, in [0, 1] of the line.
        high: (B,) where it ends; below `low` where the line is mirrored.
        source: pixels of the line.
        size: pixels that come out.
        side: (B,) pixels of the reduced stretch; 0 for none.

    Returns:
        (B, size, source) float32; each row sums to 1.
    """
    length = (high - low).abs() * source  # (B,)
    step = (torch.arange(size, device=low.device) + 0.5) / size  # (size,)
    centres = (low[:, None] + (high - low)[:, None] * step) * source - 0.5  # (B, size)
    reduced = torch.where(side > 0, length / side.clamp_min(1.0), 0.0)
    support = torch.maximum(length / size, reduced).clamp_min(1.0)  # (B,) half the base of the triangle
    places = torch.arange(source, device=low.device)
    weights = (1 - (places - centres[:, :, None]).abs() / support[:, None, None]).clamp_min(0.0)
    return weights / weights.sum(dim=2, keepdim=True).clamp_min(1e-6)


def jpeg(pixels: Tensor, quality: Tensor) -> Tensor:
    """The marks that JPEG leaves: blocks of 8 x 8 cosines, quantised, colours at half the resolution.

    Args:
        pixels: (B, 3, S, S) float in [0, 1].
        quality: (B,) in [1, 100], as libjpeg counts.

    Returns:
        (B, 3, S, S) float in [0, 1].
    """
    size = pixels.shape[-1]
    spare = -size % 16
    padded = F.pad(pixels, (0, spare, 0, spare), mode="replicate") * 255
    luma, blue, red = _to_ycc(padded).unbind(1)
    halved = F.avg_pool2d(torch.stack([blue, red], 1), 2)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None, None, None]  # percent
    luma = _quantised(luma[:, None] - 128, scale, LUMINANCE) + 128
    colours = _quantised(halved, scale, CHROMINANCE).repeat_interleave(2, 2).repeat_interleave(2, 3)
    restored = _from_ycc(torch.cat([luma, colours], 1))
    return (restored[..., :size, :size] / 255).clamp(0, 1)


def _crop(scale: tuple[float, float], aspect: float, rng: np.random.Generator) -> np.ndarray:
    # The share of the area and the proportions that torchvision's RandomResizedCrop takes, within the image.
    for _ in range(10):
        area, ratio = rng.uniform(*scale), math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = math.sqrt(area * ratio / aspect), math.sqrt(area / ratio * aspect)
        if width <= 1 and height <= 1:
            break
    else:
        width, height = min(1.0, 1 / aspect), min(1.0, aspect)
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    return np.array([left, top, left + width, top + height])


def _colours(settings: Augmentation, rng: np.random.Generator) -> tuple[np.ndarray, float, float]:
    grey = np.tile(GREY, (3, 1))  # every channel becomes the luma
    colours, brightness, contrast = np.eye(3), 1.0, 1.0
    if rng.random() < settings.jitter_probability:
        strength = settings.jitter
        brightness, contrast, saturation = (rng.uniform(max(0.0, 1 - s), 1 + s) for s in strength[:3])
        colours = _hue(rng.uniform(-strength[3], strength[3])) @ (saturation * np.eye(3) + (1 - saturation) * grey)
    if settings.white_balance > 0:
        colours = np.diag(np.exp(rng.normal(0.0, settings.white_balance, size=3))) @ colours
    if rng.random() < settings.grey_probability:
        colours = grey @ colours
    return colours.ravel(), brightness, contrast


def _hue(turns: float) -> np.ndarray:
    """The matrix that turns colours around the grey axis, 1 for a whole turn."""
    angle = 2 * math.pi * turns
    axis = np.full(3, 1 / math.sqrt(3))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return math.cos(angle) * np.eye(3) + (1 - math.cos(angle)) * np.outer(axis, axis) + math.sin(angle) * cross


def _hairs(rng: np.random.Generator) -> np.ndarray:
    # A hair is part of a large circle that passes through the image.
    hairs = np.zeros((HAIRS, 4))
    for hair in hairs[: rng.integers(1, HAIRS + 1)]:
        radius, angle = math.exp(rng.uniform(math.log(0.5), math.log(5.0))), rng.uniform(0, 2 * math.pi)
        through = rng.uniform(0.1, 0.9, size=2)
        centre = through + radius * np.array([math.cos(angle), math.sin(angle)])
        hair[:] = (*centre, radius, rng.uniform(0.002, 0.006))
    return hairs.ravel()


def _resampled(pixels: Tensor, effects: Tensor, size: int) -> Tensor:
    left, top, right, bottom = effects[:, CROP].unbind(1)
    mirrored = effects[:, MIRRORED] > 0
    left, right = torch.where(mirrored, right, left), torch.where(mirrored, left, right)
    across = resampling(left, right, pixels.shape[3], size, effects[:, SIDE])  # (B, S, S0)
    down = resampling(top, bottom, pixels.shape[2], size, effects[:, SIDE])
    cut = down[:, None] @ pixels @ across[:, None].transpose(2, 3)  # (B, 3, S, S)
    return torch.where(effects[:, TURNED, None, None, None] > 0, cut.transpose(2, 3), cut)


def _recoloured(pixels: Tensor, effects: Tensor) -> Tensor:
    brightness, contrast = effects[:, FACTOR, None, None, None], effects[:, CONTRAST, None, None, None]
    bright = pixels * brightness
    mean = (bright.mean(dim=(2, 3)) @ bright.new_tensor(GREY))[:, None, None, None]
    even = contrast * bright + (1 - contrast) * mean
    return torch.einsum("bdc,bchw->bdhw", effects[:, COLOURS].reshape(-1, 3, 3), even).clamp(0, 1)


def _vignetted(pixels: Tensor, vignettes: Tensor) -> Tensor:
    shown = vignettes[:, 2] > 0
    if not bool(shown.any()):
        return pixels
    x, y, radius = (column[:, None, None] for column in vignettes[shown].unbind(1))
    across, down = _grid(pixels)
    inside = ((radius - torch.hypot(across - x, down - y)) * 80).sigmoid()  # the edge is about a twentieth wide
    pixels[shown] = pixels[shown] * inside[:, None]
    return pixels


def _hairy(pixels: Tensor, hairs: Tensor) -> Tensor:
    shown = hairs.abs().sum(dim=1) > 0
    if not bool(shown.any()):
        return pixels
    across, down = _grid(pixels)
    light = torch.ones_like(pixels[shown, 0])  # (b, S, S)
    for hair in hairs[shown].reshape(-1, HAIRS, 4).unbind(1):
        x, y, radius, width = (column[:, None, None] for column in hair.unbind(1))
        beside = (torch.hypot(across - x, down - y) - radius).abs()
        light = light * torch.where(width > 0, 1 - 0.8 * ((width - beside) / 0.002).sigmoid(), 1.0)
    pixels[shown] = pixels[shown] * light[:, None]
    return pixels


def _grid(pixels: Tensor) -> tuple[Tensor, Tensor]:
    line = (torch.arange(pixels.shape[-1], device=pixels.device) + 0.5) / pixels.shape[-1]
    return line[None, None, :], line[None, :, None]


def _to_ycc(rgb: Tensor) -> Tensor:
    return torch.einsum("dc,bchw->bdhw", rgb.new_tensor(_YCC), rgb)


def _from_ycc(ycc: Tensor) -> Tensor:
    return torch.einsum("dc,bchw->bdhw", ycc.new_tensor(_RGB), ycc)


def _quantised(planes: Tensor, scale: Tensor, table: tuple[tuple[int, ...], ...]) -> Tensor:
    b, c, h, w = planes.shape
    cosines = planes.new_tensor(_COSINES)  # (8, 8)
    steps = ((planes.new_tensor(table) * scale + 50) / 100).floor().clamp(1, 255).reshape(b, 1, 1, 8, 1, 8)
    blocks = planes.reshape(b, c, h // 8, 8, w // 8, 8)
    spectrum = torch.einsum("ki,bcyixj,lj->bcykxl", cosines, blocks, cosines)
    spectrum = (spectrum / steps).round() * steps
    return torch.einsum("ki,bcykxl,lj->bcyixj", cosines, spectrum, cosines).reshape(b, c, h, w)


_YCC = np.array([GREY, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)])  # JFIF 1.02
_RGB = np.linalg.inv(_YCC)
_COSINES = np.array(  # orthonormal DCT-II
    [[math.sqrt((2 if k else 1) / 8) * math.cos((2 * i + 1) * k * math.pi / 16) for i in range(8)] for k in range(8)]
)
