"""Does the choice of a sentence say anything about its photograph, beyond the answer?

A sentence may claim a sign that can be measured without any model: from the pixels (how dark, how red, how ragged, how
many colours), or from what PAD notes (raised, has bled). Among the photographs with one answer, a claim agrees where
the photograph lies on the claimed side of their median. If the choice carries no information about the photograph,
sentences that are swapped among these photographs agree as often: that is the chance level, and its spread gives z.

The measures are crude: the lesion is what differs most from the skin at the border of the picture (Otsu's threshold).

Letters: N images, M sentences, A signs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from zsderm.images import open_image

# sign -> words that claim it, words that claim the opposite
CLAIMS = {
    "dark": (
        r"\b(black|dark|jet|blue-black|slate|blue)",
        r"\b(pale|pearly|skin-colou?red|flesh|tan|light|pink|white)",
    ),
    "red": (r"\b(red|pink|salmon|blood|crimson)", r"\b(brown|tan|black|grey|blue)"),
    "ragged": (
        r"\b(irregular|jagged|notch|scallop|lopsided|asymmetr|ragged|uneven|not match|out of order|chaotic)",
        r"\b(round|oval|even|symmetr|regular|smooth|uniform)",
    ),
    "many colours": (
        r"\b(several|mixed|shades|colou?rs|mottled|variegat|multi)",
        r"\b(even|uniform|one colou?r|single|homogen|regular)",
    ),
    "raised": (
        r"\b(dome|nodule|bump|raised|lump|polyp|mound|heap|stuck-on|walls|growth|proud|elevat)",
        r"\b(flat|macule|thin|level|patch)",
    ),
    "bled": (r"\b(blood|bleed|crust|sore|ulcer|erod|scab|raw|broken)", r"(?!)"),
}
NOTED = {"raised": "elevation", "bled": "bleed"}  # columns of PAD
SWAPS = 300
_SIDE = 160  # pixels of the longer side


def claims(texts: Sequence[str]) -> NDArray[np.float64]:
    """(M, A) of 1 where a text claims a sign, -1 where it claims the opposite, 0 where it says neither."""
    words = list(CLAIMS.values())
    return np.array(
        [
            [1.0 if re.search(yes, text, re.I) else -1.0 if re.search(no, text, re.I) else 0.0 for yes, no in words]
            for text in texts
        ]
    ).reshape(len(texts), len(CLAIMS))


def measured(picture: Image.Image) -> dict[str, float]:
    """What the pixels of a picture say of the lesion: the signs of `CLAIMS` that they show, in units of their own."""
    small = picture.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    pixels = _lab(np.asarray(small, dtype=np.float64) / 255)
    height, width, _ = pixels.shape
    down, right = np.mgrid[:height, :width]
    radius = np.hypot((down - height / 2) / (height / 2), (right - width / 2) / (width / 2))
    lit = pixels[..., 0] > 12  # not the black rim of a dermatoscope
    border = lit & (radius > 0.85) & (radius < 1.25)
    skin = np.median(pixels[border if border.any() else radius > 0], axis=0)
    contrast = ndimage.gaussian_filter(np.linalg.norm((pixels - skin) * (1, 1, 0.7), axis=2), 1.5)
    contrast = np.where(lit, contrast, 0) * np.clip(1.6 - radius, 0, 1)
    mask = _lesion(contrast, np.clip(1.3 - radius, 0, 1))
    if mask.sum() < 30:
        mask = radius < 0.4
    inside = pixels[mask]
    edge = (mask ^ ndimage.binary_erosion(mask)).sum()
    return {
        "dark": float(skin[0] - np.percentile(inside[:, 0], 10)),
        "red": float(np.median(inside[:, 1]) - skin[1]),
        "ragged": float(edge**2 / mask.sum()),
        "many colours": float(np.sqrt(inside.var(axis=0).sum())),
    }


def signs(files: Sequence[Path], noted: Mapping[str, Sequence[str]]) -> NDArray[np.float64]:
    """(N, A) of what is known of N photographs; NaN where nothing is.

    Args:
        files: N photographs.
        noted: columns of the table of images, with N cells each; those of `NOTED` are read where they are there.
    """
    found = np.full((len(files), len(CLAIMS)), np.nan)
    for row, file in enumerate(files):
        pixels = measured(open_image(file))
        found[row] = [pixels.get(name, np.nan) for name in CLAIMS]
    for place, name in enumerate(CLAIMS):
        cells = noted.get(NOTED.get(name, ""), [""] * len(files))
        known = [{"true": 1.0, "false": 0.0}.get(cell.lower(), np.nan) for cell in cells]
        found[:, place] = np.where(np.isnan(known), found[:, place], known)
    return found


def agreement(said: NDArray[np.float64], shown: NDArray[np.float64], answers: NDArray[np.int64]) -> dict[str, float]:
    """How often what is said of photographs is so, among those with the same answer.

    Args:
        said: (N, A) sums of the claims of the sentences beside each photograph.
        shown: (N, A) signs; NaN where they are not known.
        answers: (N,) what was answered.

    Returns:
        ``claims`` that could be held against a photograph, ``agree`` and ``chance`` as shares of them, and ``z``.
    """
    side = np.zeros_like(shown)
    for answer in np.unique(answers):
        own = shown[answers == answer]
        known = ~np.isnan(own).all(axis=0)
        side[np.ix_(answers == answer, known)] = np.nan_to_num(
            np.sign(own[:, known] - np.nanmedian(own[:, known], axis=0))
        )

    def share(rows: NDArray[np.float64]) -> tuple[float, float]:
        weight = np.abs(rows * side).sum()
        return float(weight), float(np.clip(rows * side, 0, None).sum() / weight) if weight else float("nan")

    random = np.random.default_rng(0)
    swapped = []
    for _ in range(SWAPS):
        order = np.arange(len(said))
        for answer in np.unique(answers):
            own = np.flatnonzero(answers == answer)
            order[own] = random.permutation(own)
        swapped.append(share(said[order])[1])
    count, agree = share(said)
    spread = float(np.std(swapped))
    chance = float(np.mean(swapped))
    return {"claims": count, "agree": agree, "chance": chance, "z": (agree - chance) / spread if spread else 0.0}


def _lesion(contrast: NDArray[np.float64], central: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The largest central part of a picture, (H, W), that stands out."""
    if not contrast.any():
        return np.zeros(contrast.shape, dtype=bool)
    counts, edges = np.histogram(contrast, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * middles)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    mask = ndimage.binary_fill_holes(contrast > middles[np.nanargmax(between)])
    parts, count = ndimage.label(mask)
    if not count:
        return np.asarray(mask, dtype=bool)
    sizes = ndimage.sum(central, parts, range(1, count + 1))
    return np.asarray(parts == 1 + int(np.argmax(sizes)), dtype=bool)


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* under D65 of sRGB pixels (H, W, 3), 0 to 1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratios = linear @ to_xyz.T / (0.9505, 1.0, 1.089)
    roots = np.where(ratios > (6 / 29) ** 3, np.cbrt(ratios), ratios / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(roots, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
