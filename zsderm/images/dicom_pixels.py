"""The pixels of a DICOM picture: decompressed, in colour or grey, as a Pillow image.

Pillow decodes JPEG and JPEG 2000, so that the result equals that of a separate JPEG file. pydicom decodes uncompressed
pixels and RLE, and passes JPEG-LS and lossless JPEG to a decoder that it supports, if one is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from zsderm.errors import ImageError
from zsderm.images.dicom import GREYS, Header, reading
from zsderm.images.files import PatientStream
from zsderm.images.scans import check_scans

_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
_RLE = "1.2.840.10008.1.2.5"
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_DEEP = 16  # bits of a sample that is scaled to 8
_ROWS = 64  # of a picture that are changed at a time


class Picture:
    """One picture of an open DICOM file.

    Args:
        stream: of the file.
        header: of the file.
        frame: which picture, from 1.

    Raises:
        ImageError: the file has fewer pictures.
    """

    def __init__(self, stream: BinaryIO, header: Header, frame: int) -> None:
        if frame > header.frames:
            raise ImageError(f"the DICOM file holds {header.frames} pictures, so there is no picture {frame}")
        self.stream, self.header, self.frame = stream, header, frame

    @property
    def memory(self) -> int:
        """The largest number of bytes that decoding takes."""
        width, height = self.header.size
        own = self.header.samples * max(1, self.header.bits // 8)
        grey = 24 if self.header.photometric in GREYS else 0  # windows are reckoned in float64
        return width * height * (4 * own + 12 + grey)

    def decoded(self) -> Image.Image:
        """The picture as a Pillow image of mode RGB or L, with the colour profile of the file.

        Raises:
            ImageError: the file is damaged, cut short, or compressed by a method without a decoder.
        """
        stream, header, frame = self.stream, self.header, self.frame
        if header.syntax in _NATIVE:
            picture = _from_array(header, _native(stream, header, frame))
        elif header.syntax in (*_JPEG, *_JPEG_2000):
            picture = _by_pillow(header, _compressed(stream, header, frame))
        else:
            picture = _from_array(header, _by_pydicom(header, _compressed(stream, header, frame)))
        if (profile := _profile(header)) and picture.mode == "RGB":
            picture.info["icc_profile"] = profile
        return picture


def _native(stream: BinaryIO, header: Header, frame: int) -> NDArray[Any]:
    """(H, W) or (H, W, 3) of pixels that are not compressed; only those of the one picture are read."""
    length = header.frame_length
    if header.bits == 1:
        raise ImageError("a DICOM file with 1-bit pixels (black and white), which is not a photograph")
    stream.seek(header.start + (frame - 1) * length)
    content = stream.read(length)
    if len(content) < length or (header.length is not None and frame * length > header.length):
        raise ImageError("the image is cut short: the DICOM file holds fewer pixels than its header says")
    return _by_pydicom(header, content + bytes(len(content) % 2))


def _compressed(stream: BinaryIO, header: Header, frame: int) -> bytes:
    """The bytes of a compressed picture."""
    if header.length is not None:
        raise ImageError("a damaged DICOM file: the header says that the pixels are compressed, but they are not")
    facts = header.facts
    offsets = None
    if "ExtendedOffsetTable" in facts and "ExtendedOffsetTableLengths" in facts:
        offsets = (facts.ExtendedOffsetTable, facts.ExtendedOffsetTableLengths)
    with reading() as pydicom:
        stream.seek(header.start)
        content: bytes = pydicom.encaps.get_frame(
            stream, frame - 1, number_of_frames=header.frames, extended_offsets=offsets
        )
    return content


def _by_pydicom(header: Header, content: bytes) -> NDArray[Any]:
    """(H, W) or (H, W, 3) of the bytes of one picture, as numbers of whatever the photometric interpretation says."""
    facts, size = header.facts, header.size
    with reading() as pydicom:
        try:
            decoder = pydicom.pixels.get_decoder(header.syntax)
        except NotImplementedError as error:
            raise ImageError(
                "a DICOM file in an unsupported transfer syntax; save it uncompressed or as baseline JPEG"
            ) from error
        if not decoder.is_available:
            raise ImageError(
                f"a DICOM file in {decoder.UID.name}, for which no decoder is installed; save it uncompressed or as "
                "baseline JPEG, or install one that pydicom supports, such as python-gdcm"
            )
        given = content if header.syntax in _NATIVE else pydicom.encaps.encapsulate([content])
        pixels, _ = decoder.as_array(
            given,
            index=0,
            raw=True,
            decoding_plugin="pydicom" if header.syntax == _RLE else "",
            rows=size[1],
            columns=size[0],
            number_of_frames=1,
            samples_per_pixel=header.samples,
            photometric_interpretation=header.photometric,
            bits_allocated=header.bits,
            bits_stored=int(facts.get("BitsStored", header.bits)),
            pixel_representation=int(facts.get("PixelRepresentation", 0)),
            planar_configuration=int(facts.get("PlanarConfiguration", 0)),
            pixel_keyword="PixelData",
            pixel_vr="OB" if header.bits == 8 else "OW",
        )
    return np.asarray(pixels)


def _by_pillow(header: Header, content: bytes) -> Image.Image:
    """A picture that is a JPEG or JPEG 2000 file of its own."""
    form = "JPEG" if header.syntax in _JPEG else "JPEG2000"
    file = BytesIO(content)
    try:
        picture: Image.Image = Image.open(PatientStream(file), formats=(form,))
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"a damaged DICOM file: it contains no {form} picture of the size in its header") from error
    check_scans(picture, file)
    if picture.size != header.size:
        raise ImageError(f"a damaged DICOM file: the header says {header.size[0]} x {header.size[1]} pixels, and the "
                         f"{form} in it {picture.size[0]} x {picture.size[1]}")  # fmt: skip
    channels = 3 if header.samples == 3 else 1
    if len(picture.getbands()) != channels:
        raise ImageError(f"a damaged DICOM file: {header.photometric}, and the {form} in it is {picture.mode}")
    if form == "JPEG" and header.photometric == "RGB" and _says_no_colours(picture):
        picture.draft("YCbCr", None)  # that is, unchanged: libjpeg takes them for YCbCr, but the header knows better
        return Image.frombytes("RGB", picture.size, picture.tobytes())
    picture.load()
    if form == "JPEG2000" and header.photometric in ("YBR_FULL", "YBR_FULL_422") and picture.mode == "RGB":
        return _from_array(header, np.asarray(picture))
    if channels == 3:
        return _without_info(picture.convert("RGB"))
    return _from_array(header, np.asarray(picture))


def _says_no_colours(jpeg: Image.Image) -> bool:
    """Whether nothing in a JPEG of three channels says what these are: no marker, and no letters that name them."""
    letters = bytes(channel[0] for channel in getattr(jpeg, "layer", ()))
    return not {"jfif", "adobe"} & set(jpeg.info) and letters != b"RGB"


def _from_array(header: Header, pixels: NDArray[Any]) -> Image.Image:
    """The picture of (H, W) or (H, W, 3) numbers."""
    if header.photometric in GREYS:
        return Image.fromarray(_grey(header, pixels))
    if header.photometric == "PALETTE COLOR":
        return Image.fromarray(_palette(header, pixels))
    if pixels.dtype != np.uint8:
        pixels = _scaled(pixels, 0, 2 ** int(header.facts.get("BitsStored", _DEEP)) - 1)
    pixels = np.ascontiguousarray(pixels)
    if header.photometric == "RGB" or header.photometric not in ("YBR_FULL", "YBR_FULL_422"):
        return Image.fromarray(pixels)  # of JPEG 2000 the decoder has undone YBR_ICT and YBR_RCT
    height, width, _ = pixels.shape
    return Image.frombytes("YCbCr", (width, height), pixels.tobytes()).convert("RGB")


def _grey(header: Header, pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(H, W) uint8, where 255 is white, through the window of the file if it has one.

    Source: DICOM PS3.3, C.11.1 (modality LUT) and C.11.2 (values of interest).
    """
    facts = header.facts
    bits, signed = int(facts.get("BitsStored", header.bits)), bool(facts.get("PixelRepresentation", 0))
    lowest = -(2 ** (bits - 1)) if signed else 0
    if facts.get("VOILUTSequence") or (facts.get("WindowCenter") is not None and facts.get("WindowWidth") is not None):
        with reading() as pydicom:
            facts.BitsStored, facts.PixelRepresentation = bits, int(signed)  # pydicom asks for both
            values = pydicom.pixels.apply_voi_lut(pydicom.pixels.apply_modality_lut(pixels, facts), facts)
            black, white = _out_range(facts, lowest, bits)
    else:
        values, black, white = pixels, float(lowest), float(lowest + 2**bits - 1)
    grey = _scaled(np.asarray(values), black, white)
    return np.asarray(255 - grey if header.photometric == "MONOCHROME1" else grey)


def _out_range(facts: Any, lowest: int, bits: int) -> tuple[float, float]:
    """The least and largest value that `apply_voi_lut` of pydicom gives."""
    if facts.get("VOILUTSequence"):
        return 0.0, float(2 ** int(facts.VOILUTSequence[0].LUTDescriptor[2]) - 1)
    black, white = float(lowest), float(lowest + 2**bits - 1)
    if facts.get("ModalityLUTSequence"):
        return 0.0, float(2 ** int(facts.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)
    slope, intercept = float(facts.get("RescaleSlope", 1) or 1), float(facts.get("RescaleIntercept", 0) or 0)
    return black * slope + intercept, white * slope + intercept


def _palette(header: Header, pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: the colours that indices mean. Source: DICOM PS3.3, C.7.6.3.1.5 and C.7.6.3.1.6."""
    facts = header.facts
    with reading() as pydicom:
        if "SegmentedRedPaletteColorLookupTableData" in facts:
            colours = pydicom.pixels.apply_color_lut(pixels, facts)
            return np.asarray(_in_bytes(colours, int(facts.RedPaletteColorLookupTableDescriptor[2]))[..., :3])
        tables = [_table(facts, colour) for colour in ("Red", "Green", "Blue")]
        first = int(facts.RedPaletteColorLookupTableDescriptor[1])

    def colours_of(band: NDArray[Any]) -> NDArray[Any]:
        index = (band.astype(np.int64) - first).clip(0, len(tables[0]) - 1)
        return np.stack([table[index] for table in tables], axis=-1)

    return _by_rows(colours_of, pixels, (*pixels.shape, 3))


def _table(facts: Any, colour: str) -> NDArray[np.uint8]:
    """The (E,) uint8 levels of one colour."""
    entries, _, bits = facts[f"{colour}PaletteColorLookupTableDescriptor"].value
    entries = int(entries) or 2**16
    content = bytes(facts[f"{colour}PaletteColorLookupTableData"].value)
    wide = len(content) >= 2 * entries  # entries of 8 bits may be written as 16, of which the upper half is empty
    order = ">" if facts.original_encoding[1] is False else "<"
    table = np.frombuffer(content, np.dtype(f"{order}u2") if wide else np.uint8, count=entries)
    return _in_bytes(table, int(bits))


def _in_bytes(levels: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    return (levels >> 8 if bits == _DEEP else levels).astype(np.uint8)


def _scaled(values: NDArray[Any], black: float, white: float) -> NDArray[np.uint8]:
    """Levels from 0 to 255, clipped."""

    def levels(band: NDArray[Any]) -> NDArray[Any]:
        return np.rint(((band.astype(np.float64) - black) / ((white - black) or 1.0)).clip(0, 1) * 255)

    return _by_rows(levels, values, values.shape)


def _by_rows(
    change: Callable[[NDArray[Any]], NDArray[Any]], values: NDArray[Any], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """What becomes of an array, some rows at a time, so that what lies between takes little memory."""
    done = np.empty(shape, np.uint8)
    for top in range(0, len(values), _ROWS):
        done[top : top + _ROWS] = change(values[top : top + _ROWS])
    return done


def _profile(header: Header) -> bytes:
    """The colour profile of the file, or of its one optical path; empty where there is none."""
    facts = header.facts
    paths = facts.get("OpticalPathSequence") or []
    found = facts.get("ICCProfile") or (paths[0].get("ICCProfile") if len(paths) else None)
    return bytes(found or b"")


def _without_info(picture: Image.Image) -> Image.Image:
    picture.info.clear()  # what stands inside a compressed picture is not what DICOM says of it
    return picture
