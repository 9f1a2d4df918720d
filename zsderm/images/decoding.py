"""Image files as upright RGB pixels: first the header, which says whether to go on, then the rest."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from zsderm.errors import ImageError
from zsderm.images.colours import upright_rgb
from zsderm.images.files import PatientStream, open_file
from zsderm.images.memory import BUDGET, MEMORY, give_memory_back, needed

# Raise it when pixels change: features and decoded images that are kept between runs are then made anew.
VERSION = 4

# Only raster formats: Pillow would hand an EPS file in disguise to Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF")
JPEG_FORMATS = ("JPEG", "MPO")  # telephones write several JPEG images into one file and call it MPO

# Pixels; twice Pillow's own warning limit, where Pillow refuses as well.
MAX_PIXELS = 178_956_970
# Long side over short side. Encoders scale the short side up, so a strip of 1 x 50 000 would grow to gigabytes.
MAX_ASPECT_RATIO = 100
# Bytes of a WebP file, which is read whole before its header is known.
MAX_WEBP_BYTES = 2**27
# Scans of a progressive JPEG file. Cameras write about ten; each goes through the whole picture, so that a small file
# of many would take minutes.
MAX_SCANS = 100

# What Pillow's decoders raise on damaged files. Warning is here for programs that turn warnings into errors.
DECODING_FAILURES = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, ZeroDivisionError,
    NotImplementedError, AttributeError, AssertionError, MemoryError, struct.error, zlib.error, Warning,
)  # fmt: skip

ImageSource = str | os.PathLike[str] | bytes | BinaryIO | Image.Image


@dataclass(frozen=True, eq=False)
class Undecoded:
    """An image of which the header was read and found to be sound.

    Attributes:
        memory: bytes that decoding takes at most.
    """

    _image: Image.Image
    memory: int

    @contextmanager
    def decoded(self) -> Iterator[Image.Image]:
        """The new RGB image, for as long as its share of the memory for decoding is held; may wait for that.

        Raises:
            ImageError: damaged or cut short.
        """
        give_memory_back()
        with BUDGET.taken(self.memory):
            yield _decode(self._image)


def open_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS, at_least: int | None = None) -> Image.Image:
    """Open an image the way a viewer shows it: upright, RGB, 8 bits, sRGB, on white where it is transparent.

    Greyscale, palette, CMYK and deep (16-bit, 32-bit, float) images are converted; deep ones are scaled, not clipped.
    Colours are brought to sRGB from the embedded profile; a profile that is damaged, or for another kind of colours
    than the image has, is ignored, and what has none is sRGB. Of animations and multi-page files the first frame is
    taken. Opening the result again changes nothing, and an image passed in is not changed. Between half of
    ``MAX_PIXELS`` and ``MAX_PIXELS`` Pillow's own size warning may appear.

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
        return _open(_checked(source, max_pixels, None, 0))
    if isinstance(source, bytes):
        return _open(read_header(BytesIO(source), max_pixels=max_pixels, at_least=at_least))
    if isinstance(source, str | os.PathLike):
        with open_file(source) as stream:
            return _open(read_header(stream, max_pixels=max_pixels, at_least=at_least))
    return _open(read_header(source, max_pixels=max_pixels, at_least=at_least))


def read_header(stream: BinaryIO, *, max_pixels: int = MAX_PIXELS, at_least: int | None = None) -> Undecoded:
    """Look at the start of an image file: quick, whatever the file is, so that nothing long is begun in vain.

    Args:
        stream: seekable. It may be read in between, from its start; afterwards its position has to be what it was.
        max_pixels: see `open_image`.
        at_least: see `open_image`.

    Raises:
        ImageError: see `open_image`.
    """
    try:
        length = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        if stream.read(12)[8:] == b"WEBP" and length > MAX_WEBP_BYTES:
            size, most = length / 1e6, MAX_WEBP_BYTES / 1e6
            raise ImageError(f"a WebP file of {size:,.0f} MB, more than the limit of {most:,.0f} MB")
        image = Image.open(PatientStream(stream), formats=FORMATS)
        _check_scans(image, stream)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        reason = "not an image, or not one of: jpg png webp tiff bmp gif" if length else "the file is empty"
        raise ImageError(reason) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"too many pixels to open safely: {error}") from error
    except DECODING_FAILURES as error:
        raise _damaged(error) from error
    in_memory = isinstance(stream, BytesIO) or image.format == "WEBP"
    return _checked(image, max_pixels, at_least, length if in_memory else 0)


def file_behind(image: Image.Image) -> BytesIO | None:
    """The JPEG file that an image was opened from and not decoded yet, so that it can be treated as a file; or None."""
    stream = getattr(image, "fp", None)
    if image.format not in JPEG_FORMATS or stream is None or not getattr(image, "tile", None) or image.tell():
        return None
    try:
        place = stream.tell()
        stream.seek(0)
        content = BytesIO(stream.read())
        stream.seek(place)
        with Image.open(content, formats=FORMATS) as again:
            same = again.size == image.size  # not if its user has called draft
        return BytesIO(content.getvalue()) if same else None
    except DECODING_FAILURES:
        return None


def _open(header: Undecoded) -> Image.Image:
    with header.decoded() as rgb:
        return rgb


def _checked(image: Image.Image, max_pixels: int, at_least: int | None, length: int) -> Undecoded:
    width, height = image.size
    if width * height > max_pixels:
        size = f"{width} x {height} pixels ({_megapixels(width * height)})"
        raise ImageError(f"{size}, more than the limit of {_megapixels(max_pixels)}")
    if min(width, height) == 0 or max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise ImageError(f"{width} x {height} pixels, too narrow to be a photograph")
    try:
        if at_least is not None and image.format in JPEG_FORMATS:
            image.draft(None, (at_least, at_least))  # libjpeg's own scaling; the sides never fall below
        memory = needed(image, (width, height), length)
    except DECODING_FAILURES as error:
        raise _damaged(error) from error
    if memory > MEMORY:
        kind = " ".join(filter(None, (image.format, image.mode)))
        raise ImageError(
            f"{width} x {height} pixels ({kind}) would take {memory / 2**30:.1f} GiB to decode, more than the limit of "
            f"{MEMORY / 2**30:.0f} GiB"
        )
    return Undecoded(image, memory)


def _check_scans(image: Image.Image, stream: BinaryIO) -> None:
    if image.format not in JPEG_FORMATS or not image.info.get("progressive"):
        return
    place, scans, last = stream.tell(), 0, b""
    stream.seek(0)
    while scans <= MAX_SCANS and (block := stream.read(2**20)):
        scans += (last + block).count(b"\xff\xda")  # in compressed pixels 0xFF is never followed by this
        last = block[-1:]
    stream.seek(place)
    if scans > MAX_SCANS:
        raise ImageError(f"a progressive JPEG file of more than {MAX_SCANS} scans, which would take too long to decode")


def _decode(image: Image.Image) -> Image.Image:
    try:
        image.load()
        rgb = upright_rgb(image, _orientation(image))
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
