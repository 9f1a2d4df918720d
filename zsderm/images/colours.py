"""From whatever mode and position a file has to upright RGB in sRGB, on white, in bands that take little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from PIL import ExifTags, Image, ImageCms

from zsderm.errors import ImageError
from zsderm.images.profiles import converted, from_lab, to_srgb

TRANSPOSE_OF_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FROM_THE_END = {3, 4, 6, 7}  # orientations in which the first row of the file comes last
_PIXELS_OF_A_BAND = 2**20  # a band of float pixels takes some 30 MB on its way

Conversion = Callable[[Image.Image], Image.Image]


def upright_rgb(image: Image.Image, orientation: int) -> Image.Image:
    """A new image: RGB, 8 bits, sRGB, on white, turned as the orientation says.

    Args:
        image: decoded, of any mode.
        orientation: as EXIF counts, 1 to 8; anything else leaves the image as it lies.

    Raises:
        ImageError: pixel values that are not finite.
    """
    turn = TRANSPOSE_OF_ORIENTATION.get(orientation)
    convert = _conversion(image)
    if convert is None:
        return image.convert("RGB") if turn is None else image.transpose(turn)  # either is a copy
    if image.width * image.height <= _PIXELS_OF_A_BAND:
        return convert(image) if turn is None else convert(image).transpose(turn)
    sideways = turn is not None and orientation >= 5
    upright = Image.new("RGB", image.size[::-1] if sideways else image.size)
    for top, band in _bands(image):
        start = image.height - top - band.height if orientation in _FROM_THE_END else top
        done = convert(band) if turn is None else convert(band).transpose(turn)
        upright.paste(done, (start, 0) if sideways else (0, start))
    return upright


def _conversion(image: Image.Image) -> Conversion | None:
    """What makes RGB of any part of an image; None where it is that already."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        black, white = _levels(image)
        return lambda part: _grey(part, black, white, image.info.get("icc_profile"))
    if image.mode == "RGB" and not image.has_transparency_data and _profile_of(image, "RGB") is None:
        return None
    return _on_white if image.has_transparency_data else _coloured


def _profile_of(image: Image.Image, mode: str) -> ImageCms.ImageCmsTransform | None:
    profile = image.info.get("icc_profile")
    return to_srgb(bytes(profile), mode) if isinstance(profile, bytes | bytearray) and profile else None


def _coloured(image: Image.Image) -> Image.Image:
    """RGB of an image without transparency."""
    if image.mode == "LAB":
        return converted(image, _profile_of(image, "LAB") or from_lab())
    own = "L" if image.mode in ("1", "L", "LA") else "CMYK" if image.mode == "CMYK" else "RGB"
    transform = _profile_of(image, own)
    return image.convert("RGB") if transform is None else converted(image.convert(own), transform)


def _on_white(image: Image.Image) -> Image.Image:
    """RGB of an image with transparency, on white."""
    rgba = image.convert("RGBA")
    grey = image.mode in ("1", "L", "LA")
    if transform := _profile_of(image, "L" if grey else "RGB"):
        opaque = rgba.convert("RGB")
        colours = converted(opaque.convert("L") if grey else opaque, transform)
        colours.putalpha(rgba.getchannel("A"))
        rgba = colours
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB")


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """An image from top to bottom in pieces: the first row of each, and the piece."""
    height = max(1, _PIXELS_OF_A_BAND // image.width)
    for top in range(0, image.height, height):
        yield top, image.crop((0, top, image.width, min(top + height, image.height)))


def _levels(image: Image.Image) -> tuple[float, float]:
    """The values of black and white of a deep grey image.

    White is what the file says. Where it says nothing, as in 32-bit and float images, it is the smallest of 1 (of
    fractions), 255 and 65 535 that holds every value; values beyond those, or negative ones, go from their least to
    their largest.
    """
    if (stated := _full_scale(image)) is not None:
        return 0.0, float(stated)
    low, high = np.inf, -np.inf
    for _, band in _bands(image):
        values = np.asarray(band)
        if not np.isfinite(values).all():
            raise ImageError("some pixel values are not finite numbers")
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    white = next((white for white in usual if low >= 0 and high <= white), None)
    return (low, high) if white is None else (0.0, white)


def _full_scale(image: Image.Image) -> int | None:
    """The value of white where the file says so; None for 32-bit and float images, which have no agreed white."""
    if image.mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(ExifTags.Base.BitsPerSample, (16,))  # 12-bit TIFFs exist
        return 2 ** int(bits[0]) - 1
    return 2**16 - 1 if image.format == "PNG" else None  # older Pillow opens 16-bit PNGs as 32-bit


def _grey(image: Image.Image, black: float, white: float, profile: bytes | None) -> Image.Image:
    scaled = (np.asarray(image).astype(np.float64) - black) / ((white - black) or 1.0)
    grey = Image.fromarray(np.rint(scaled.clip(0, 1) * 255).astype(np.uint8))
    grey.info["icc_profile"] = profile
    return _coloured(grey)
