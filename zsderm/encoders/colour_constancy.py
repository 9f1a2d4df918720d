"""Colours as under white light: what an encoder sees is then the skin and less the lamp and the camera.

Which encoder wants it stands in the `mode` of its preprocessing, where open_clip says "RGB": "RGB, shades of grey 6".
A tool that does not know that mode refuses the encoder instead of feeding it other colours than it was trained with.
"""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

PLAIN = "RGB"
MODES = f"'{PLAIN}' or '{PLAIN}, shades of grey 6' (any norm up to 100)"  # for errors
_MODE = re.compile(r"RGB(?:, shades of grey ([1-9]\d?|100))?")  # (1/255)^norm has to be above the smallest float


def norm_of(mode: str) -> int | None:
    """The norm that the `mode` of a preprocessing names; 0 for plain RGB, None for a mode that is not known."""
    known = _MODE.fullmatch(mode)
    return int(known[1] or 0) if known else None


def shades_of_grey(image: Image.Image, norm: int = 6) -> Image.Image:
    """Scale each channel so that the light of the scene becomes grey.

    The light is taken to be the Minkowski mean of each channel, (mean of c^norm)^(1/norm): the mean for norm 1 (grey
    world), the brightest value for a large one (white patch). Channels keep their mean strength; what becomes brighter
    than white is white. An image without light in a channel is left as it is.

    Args:
        image: RGB, 8 bits.
        norm: of the mean, at least 1.

    Returns:
        A new RGB image of the same size.

    Source: Finlayson and Trezzi, Shades of gray and colour constancy, Color and Imaging Conference 2004; for skin
    images Barata et al., IEEE Journal of Biomedical and Health Informatics 2015.
    """
    counts = np.array(image.histogram(), dtype=np.float64).reshape(3, 256)
    values = np.arange(256) / 255
    light = (counts @ values**norm / counts.sum(axis=1)) ** (1 / norm)  # (3,)
    if light.min() <= 0:
        return image.copy()
    gains = np.sqrt((light**2).mean()) / light
    table = np.rint(np.clip(gains[:, None] * values * 255, 0, 255)).astype(int)  # (3, 256)
    return image.point(table.ravel().tolist())
