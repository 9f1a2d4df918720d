"""Find photographs and open them as plain RGB, whatever camera or scanner wrote them.

``find`` lists paths and ``walk`` goes through them, ``open_image`` gives pixels, and a file that cannot be read is an
``ImageError`` whose message is one clause without the path, ready for the ``error`` column of a row.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from zsderm.errors import ImageError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"})
# Only raster formats: Pillow would hand an EPS file in disguise to Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF")
JPEG_FORMATS = ("JPEG", "MPO")  # telephones write several JPEG images into one file and call it MPO

# Pixels; twice Pillow's own warning limit, where Pillow refuses as well. Decoded to RGB this is half a gigabyte.
MAX_PIXELS = 178_956_970
# Long side over short side. Encoders scale the short side up, so a strip of 1 x 50 000 would grow to gigabytes.
MAX_ASPECT_RATIO = 100

TRANSPOSE_OF_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow's decoders raise on damaged files. Warning is here for programs that turn warnings into errors.
DECODING_FAILURES = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, ZeroDivisionError,
    NotImplementedError, AttributeError, AssertionError, MemoryError, struct.error, zlib.error, Warning,
)  # fmt: skip

ImageSource = str | os.PathLike[str] | bytes | BinaryIO | Image.Image


def find(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """List the photographs in a folder, a file or a list of both.

    Folders are walked to the bottom and sorted the way people count (``2.jpg`` before ``10.jpg``); hidden files and
    hidden folders are skipped, links to folders are not followed. Files named one by one are kept as they are, in the
    order given, even if they do not exist or have another suffix: they become rows with a reason. Only a name without
    any suffix that leads nowhere is taken for a missing folder.

    Args:
        source: one path, or a sequence of paths.

    Returns:
        At least one path.

    Raises:
        ImageError: the folder is missing, cannot be listed or holds no images, or the list is empty.
    """
    return list(walk(source))


def walk(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Iterator[Path]:
    """Go through the photographs that `find` lists, one after the other: a folder of any size takes little memory.

    Args:
        source: as `find`.

    Raises:
        ImageError: as `find`, when the faulty path is reached.
    """
    items = [source] if isinstance(source, str | os.PathLike) else source
    if not items:
        raise ImageError("Expected at least one image, but got an empty list. Name a folder or some image files.")
    for item in items:
        yield from _expand(Path(item))


def named(
    images: str | os.PathLike[str] | Image.Image | Sequence[str | os.PathLike[str] | Image.Image],
) -> tuple[tuple[str, ...], list[str | os.PathLike[str] | Image.Image]]:
    """Every photograph that is meant, with a name: its path, or its place in the list.

    Args:
        images: a folder, a path, a PIL image, or a list of them.

    Returns:
        N names and N images or paths.

    Raises:
        ImageError: as `find`.
    """
    found: list[str | os.PathLike[str] | Image.Image] = []
    for item in [images] if isinstance(images, str | os.PathLike | Image.Image) else images:
        found += [item] if isinstance(item, Image.Image) else find(item)
    if not found:
        find([])  # raises the one sentence for an empty list
    return tuple(f"image_{n}" if isinstance(item, Image.Image) else str(item) for n, item in enumerate(found)), found


def _expand(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if not path.suffix and not path.exists():
            raise ImageError(f"there is no folder '{path}'. Check the spelling, or give the full path.")
        yield path
        return
    found = False
    for image in _images_below(path):
        found = True
        yield image
    if not found:
        suffixes = " ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise ImageError(f"folder '{path}' holds no images. Expected files ending in one of: {suffixes}.")


def _images_below(folder: Path) -> Iterator[Path]:
    for name, is_folder in sorted(_entries(folder), key=lambda entry: _natural_key(entry[0])):
        if is_folder:
            yield from _images_below(folder / name)
        else:
            yield folder / name


def _entries(folder: Path) -> Iterator[tuple[str, bool]]:
    """Names of the folders and images in a folder, and which they are."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_folder or (Path(entry.name).suffix.lower() in SUFFIXES and not entry.is_dir()):
                    yield entry.name, is_folder
    except OSError as error:
        # To leave out silently the images of a folder that may not be listed would be wrong.
        raise ImageError(f"folder '{folder}' cannot be listed: {error.strerror}. Change its permissions.") from error


def _natural_key(name: str) -> tuple[list[str | int], str]:
    pieces = re.split(r"(\d+)", name.casefold())
    return [int(piece) if odd % 2 else piece for odd, piece in enumerate(pieces)], name


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open one file for reading bytes, or say in a clause why not.

    Args:
        path: a file; the caller closes what comes back.

    Raises:
        ImageError: it does not exist, is a folder or a device, or may not be read.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise ImageError("a folder, not an image file")
        if not path.is_file():
            raise ImageError("not a regular file" if path.exists() else "no such file")
        return path.open("rb")
    except OSError as error:
        raise ImageError(f"the file cannot be opened: {(error.strerror or str(error)).lower()}") from error


def open_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS, at_least: int | None = None) -> Image.Image:
    """Open an image the way a viewer shows it: upright, RGB, 8 bits, on white where it is transparent.

    Greyscale, palette, CMYK and deep (16-bit, 32-bit, float) images are converted; deep ones are scaled, not clipped.
    Of animations and multi-page files the first frame is taken. Opening the result again changes nothing, and an image
    passed in is not changed. Between half of ``MAX_PIXELS`` and ``MAX_PIXELS`` Pillow's own size warning may appear.

    Args:
        source: a path, the bytes of a file, a binary stream (read from its start, left open) or a PIL image.
        max_pixels: width times height above which an image is refused unread.
        at_least: pixels that the shorter side has to keep. A JPEG file may then be decoded at a half, a quarter or an
            eighth of its size, which is several times as fast; anything else comes in full size.

    Returns:
        A new RGB image that holds no file open.

    Raises:
        ImageError: missing, empty, cut short, too large, or not an image; the message is one clause.
    """
    if isinstance(source, Image.Image):
        return _decode(source, max_pixels)
    if isinstance(source, bytes):
        return _read(BytesIO(source), max_pixels, at_least)
    if isinstance(source, str | os.PathLike):
        with open_file(source) as stream:
            return _read(stream, max_pixels, at_least)
    return _read(source, max_pixels, at_least)


def _read(stream: BinaryIO, max_pixels: int, at_least: int | None) -> Image.Image:
    try:
        image = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError as error:
        empty = stream.seekable() and stream.seek(0, os.SEEK_END) == 0
        reason = "the file is empty" if empty else "not an image, or not one of: jpg png webp tiff bmp gif"
        raise ImageError(reason) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"too many pixels to open safely: {error}") from error
    except DECODING_FAILURES as error:
        raise _damaged(error) from error
    return _decode(image, max_pixels, at_least)


def _decode(image: Image.Image, max_pixels: int, at_least: int | None = None) -> Image.Image:
    width, height = image.size
    if width * height > max_pixels:
        size = f"{width} x {height} pixels ({_megapixels(width * height)})"
        raise ImageError(f"{size}, more than the limit of {_megapixels(max_pixels)}")
    if min(width, height) == 0 or max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise ImageError(f"{width} x {height} pixels, too narrow to be a photograph")
    try:
        if at_least is not None and image.format in JPEG_FORMATS:
            image.draft(None, (at_least, at_least))  # libjpeg's own scaling; the sides never fall below
        image.load()
        upright = TRANSPOSE_OF_ORIENTATION.get(_orientation(image))
        rgb = _to_rgb(image)
        rgb = rgb if upright is None else rgb.transpose(upright)
    except ImageError:
        raise
    except DECODING_FAILURES as error:
        raise _damaged(error) from error
    rgb.info = {}  # the orientation is used up: whoever opens this image again must not turn it again
    return rgb


def _damaged(error: BaseException) -> ImageError:
    detail = " ".join(str(error).split()) or type(error).__name__
    return ImageError(f"the image is damaged or cut short: {detail}")


def _megapixels(pixels: int) -> str:
    return f"{pixels / 1e6:,.1f} megapixels"


def _orientation(image: Image.Image) -> int:
    # Metadata mangled by a messenger app says nothing about the pixels, so the photograph is kept as it lies.
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except DECODING_FAILURES:
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_to_eight_bits(np.asarray(image), _full_scale(image))).convert("RGB")
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _full_scale(image: Image.Image) -> int | None:
    """The value of white where the file says so; ``None`` for 32-bit and float images, which have no agreed white."""
    if image.mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(ExifTags.Base.BitsPerSample, (16,))  # 12-bit TIFFs exist
        return 2 ** int(bits[0]) - 1
    return 2**16 - 1 if image.format == "PNG" else None  # older Pillow opens 16-bit PNGs as 32-bit


def _to_eight_bits(values: np.ndarray, full_scale: float | None) -> np.ndarray:
    """Scale deep grey values to 0..255.

    Without a full scale it is the smallest of 1 (fractions only), 255 and 65 535 that holds every value; values
    beyond those, or negative ones, are stretched from their minimum to their maximum.

    Args:
        values: (H, W) integers or floats.
        full_scale: the value of white, or ``None`` to guess it.

    Returns:
        (H, W) uint8.
    """
    if not np.isfinite(values).all():
        raise ImageError("some pixel values are not finite numbers")
    low, high = float(values.min()), float(values.max())
    if full_scale is None:
        usual = (255.0, 65535.0) if np.issubdtype(values.dtype, np.integer) else (1.0, 255.0, 65535.0)
        full_scale = next((white for white in usual if low >= 0 and high <= white), None)
    low, span = (low, high - low) if full_scale is None else (0.0, float(full_scale))
    scaled = (values.astype(np.float64) - low) / (span or 1.0)
    return np.rint(scaled.clip(0, 1) * 255).astype(np.uint8)
