"""Image files as upright RGB pixels: first the header, which says whether to go on, then the rest."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from PIL import ExifTags, Image, UnidentifiedImageError

from zsderm.errors import ImageError
from zsderm.images.colours import upright_rgb
from zsderm.images.files import PatientStream, open_file
from zsderm.images.formats import AVIF, DICOM, FORMATS, HEAD, HEIC, JPEG_FORMATS, KNOWN, kind_of
from zsderm.images.frames import frame_of
from zsderm.images.memory import BUDGET, MEMORY, give_memory_back, needed
from zsderm.images.scans import check_scans

if TYPE_CHECKING:
    from zsderm.images.dicom_pixels import Picture

# Raise it when pixels change: features and decoded images that are kept between runs are then made anew.
VERSION = 4

# Pixels; twice Pillow's own warning limit, where Pillow refuses as well.
MAX_PIXELS = 178_956_970
# Long side over short side. Encoders scale the short side up, so a strip of 1 x 50 000 would grow to gigabytes.
MAX_ASPECT_RATIO = 100
# Bytes of a WebP, HEIC or AVIF file, which is read whole before its header is known.
MAX_BYTES_READ_WHOLE = 2**27

# What Pillow's decoders raise on damaged files. Warning is here for programs that turn warnings into errors.
DECODING_FAILURES = (
    OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, OverflowError, ZeroDivisionError,
    NotImplementedError, AttributeError, AssertionError, MemoryError, struct.error, zlib.error, Warning,
)  # fmt: skip

_CALLED = {HEIC: "HEIC", AVIF: "AVIF"}

ImageSource = str | os.PathLike[str] | bytes | BinaryIO | Image.Image


@dataclass(frozen=True, eq=False)
class Undecoded:
    """An image of which the header was read and found to be sound.

    Attributes:
        memory: bytes that decoding takes at most.
    """

    _load: Callable[[], Image.Image]
    memory: int

    @contextmanager
    def decoded(self) -> Iterator[Image.Image]:
        """The new RGB image, for as long as its share of the memory for decoding is held; may wait for that.

        Raises:
            ImageError: damaged or cut short.
        """
        give_memory_back()
        with BUDGET.taken(self.memory):
            yield self._load()


def open_image(
    source: ImageSource, *, max_pixels: int = MAX_PIXELS, at_least: int | None = None, frame: int | None = None
) -> Image.Image:
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
        frame: which picture of a DICOM file, from 1; None: the one that a name such as ``name.dcm#2`` means, or the
            first. Other files have one.

    Returns:
        A new RGB image that holds no file open.

    Raises:
        ImageError: missing, empty, cut short, too large, or not an image; the message is one clause.
    """
    if isinstance(source, Image.Image):
        return _open(_checked(source, max_pixels, None, 0))
    if isinstance(source, bytes):
        source = BytesIO(source)
    if isinstance(source, str | os.PathLike):
        with open_file(source) as stream:
            return _open(read_header(stream, max_pixels=max_pixels, at_least=at_least, frame=frame))
    return _open(read_header(source, max_pixels=max_pixels, at_least=at_least, frame=frame))


def read_header(
    stream: BinaryIO, *, max_pixels: int = MAX_PIXELS, at_least: int | None = None, frame: int | None = None
) -> Undecoded:
    """Look at the start of an image file: quick, whatever the file is, so that nothing long is begun in vain.

    Args:
        stream: seekable. It may be read in between, from its start; afterwards its position has to be what it was.
        max_pixels: see `open_image`.
        at_least: see `open_image`.
        frame: see `open_image`.

    Raises:
        ImageError: see `open_image`.
    """
    try:
        length = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        head = stream.read(HEAD)
        kind = kind_of(head)
        if kind == DICOM:
            return _dicom(stream, length, max_pixels, frame or frame_of(stream))
        if length > MAX_BYTES_READ_WHOLE and (kind or head[8:12] == b"WEBP"):
            size, most, name = length / 1e6, MAX_BYTES_READ_WHOLE / 1e6, _CALLED.get(kind, "WebP")
            raise ImageError(f"a {name} file of {size:,.0f} MB, more than the limit of {most:,.0f} MB")
        image = _other(kind, stream) if kind else Image.open(PatientStream(stream), formats=FORMATS)
        check_scans(image, stream)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        reason = f"not an image, or not one of: {KNOWN}" if length else "the file is empty"
        raise ImageError(reason) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"too many pixels to open safely: {error}") from error
    except DECODING_FAILURES as error:
        raise _damaged(error) from error
    in_memory = isinstance(stream, BytesIO) or image.format in ("WEBP", HEIC, AVIF)
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
    full_size = image.size
    _check_size(full_size, max_pixels)
    try:
        if at_least is not None and image.format in JPEG_FORMATS:
            image.draft(None, (at_least, at_least))  # libjpeg's own scaling; the sides never fall below
        memory = needed(image, full_size, length)
    except DECODING_FAILURES as error:
        raise _damaged(error) from error
    _check_memory(memory, full_size, " ".join(filter(None, (image.format, image.mode))))
    return Undecoded(partial(_decode, image), memory)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        pixels = f"{width} x {height} pixels ({_megapixels(width * height)})"
        raise ImageError(f"{pixels}, more than the limit of {_megapixels(max_pixels)}")
    if min(size) == 0 or max(size) > MAX_ASPECT_RATIO * min(size):
        raise ImageError(f"{width} x {height} pixels, too narrow to be a photograph")


def _check_memory(memory: int, size: tuple[int, int], kind: str) -> None:
    if memory > MEMORY:
        raise ImageError(
            f"{size[0]} x {size[1]} pixels ({kind}) would take {memory / 2**30:.1f} GiB to decode, more than the limit "
            f"of {MEMORY / 2**30:.0f} GiB"
        )


def _other(kind: str, stream: BinaryIO) -> Image.Image:
    """The header of a HEIC or AVIF file."""
    from zsderm.images import containers  # not above: most folders hold none

    return containers.opened(kind, stream)


def _dicom(stream: BinaryIO, length: int, max_pixels: int, frame: int) -> Undecoded:
    """The header of one picture in a DICOM file."""
    from zsderm.images import dicom, dicom_pixels  # not above: most folders hold none

    header = dicom.read_header(stream, length)
    _check_size(header.size, max_pixels)
    picture = dicom_pixels.Picture(stream, header, frame)
    memory = picture.memory + (length if isinstance(stream, BytesIO) else 0)
    _check_memory(memory, header.size, f"DICOM {header.photometric}")
    return Undecoded(partial(_decode_dicom, picture), memory)


def _decode_dicom(picture: Picture) -> Image.Image:
    try:
        image = picture.decoded()
    except ImageError:
        raise
    except DECODING_FAILURES as error:
        raise _damaged(error) from error
    return _upright(image, 1)


def _decode(image: Image.Image) -> Image.Image:
    size = image.size
    try:
        image.load()
    except DECODING_FAILURES as error:
        raise _damaged(error) from error
    if image.format == HEIC and image.size != size:  # its pictures are not what the container says
        raise ImageError(f"the image is damaged: its header says {size[0]} x {size[1]} pixels, and it holds others")
    return _upright(image, _orientation(image))


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    try:
        rgb = upright_rgb(image, orientation)
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
