"""DICOM headers: which pictures a file holds. No other information from the header is kept.

The readable objects are visible-light objects (photographs, dermoscopy, microscopy, endoscopy) and secondary
captures. Only the elements in `TAGS` are read; none of them describes the patient.

Source: DICOM PS3.3, C.7.6.3 (image pixels), PS3.5, section 8 and annex A (transfer syntaxes), PS3.10, section 7.
"""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, BinaryIO

from zsderm.errors import ImageError
from zsderm.images.formats import DICOM, HEAD, missing

Dataset = Any  # of pydicom, which may be absent

MAX_FRAMES = 10_000  # pictures in a file; an examination with a video has thousands, and those are not read
TAGS = (
    "SOPClassUID", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PlanarConfiguration", "NumberOfFrames", "ICCProfile", "OpticalPathSequence",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData", "WindowCenter",
    "WindowWidth", "VOILUTFunction", "VOILUTSequence", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip
COLOURS = {"RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 3, "YBR_ICT": 3, "YBR_RCT": 3, "PALETTE COLOR": 1}
GREYS = {"MONOCHROME1": 1, "MONOCHROME2": 1}

_VISIBLE_LIGHT, _SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.77.1.", "1.2.840.10008.5.1.4.1.1.7"
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_IMPLICIT = "1.2.840.10008.1.2"
_VIDEO = tuple(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 110))
_PIXELS, _OTHER_PIXELS = 0x7FE00010, (0x7FE00008, 0x7FE00009)
_UNDEFINED = 0xFFFFFFFF
_LOCK = Lock()


@dataclass(frozen=True, eq=False)
class Header:
    """Facts about the pictures in a file, known before decoding.

    Attributes:
        syntax: UID of the transfer syntax, which says whether and how the pixels are compressed.
        photometric: photometric interpretation, the meaning of the samples of a pixel.
        size: width and height in pixels.
        frames: number of pictures.
        start: offset of the pixel data in bytes.
        length: length of the pixel data in bytes; None for compressed pixels, whose length is not stated.
        facts: the elements of `TAGS` that the file has.
    """

    syntax: str
    photometric: str
    size: tuple[int, int]
    frames: int
    start: int
    length: int | None
    facts: Dataset

    @property
    def samples(self) -> int:
        """Samples per pixel."""
        return int(self.facts.SamplesPerPixel)

    @property
    def bits(self) -> int:
        """Bits allocated for one sample."""
        return int(self.facts.BitsAllocated)

    @property
    def frame_length(self) -> int:
        """Length of one uncompressed picture in bytes."""
        pixels = self.size[0] * self.size[1]
        if self.photometric == "YBR_FULL_422":
            return pixels * 2 * (self.bits // 8)
        return -(-pixels * self.samples * self.bits // 8)


def read_header(stream: BinaryIO, length: int) -> Header:
    """Read the header of a DICOM file.

    Args:
        stream: seekable.
        length: of the file in bytes.

    Raises:
        ImageError: the file is not a photograph or cannot be read; the message is one clause without patient data.
    """
    with reading() as pydicom:
        return _header(pydicom, _WithinFile(stream, length), length)


def element(stream: BinaryIO, length: int, keyword: str) -> str:
    """The value of one header element as stripped text; empty if the file does not have it.

    Args:
        stream: of a DICOM file; seekable.
        length: of the file in bytes.
        keyword: of the element, such as "PatientID".

    Raises:
        ImageError: the header cannot be read.
    """
    with reading() as pydicom:
        within = _WithinFile(stream, length)
        _syntax(pydicom, within)
        stream.seek(0)
        facts = pydicom.dcmread(within, stop_before_pixels=True, specific_tags=[keyword])
        return str(facts.get(keyword) or "").strip()


@contextmanager
def reading() -> Iterator[Any]:
    """A context in which pydicom runs without warnings and log lines, because these may quote patient data.

    Exceptions of pydicom on damaged files become an ``ImageError`` without their text; an ``ImageError`` of zsderm
    passes unchanged.
    """
    pydicom = _pydicom()
    with _LOCK, warnings.catch_warnings():  # pydicom is Python, of which one thread runs at a time anyway
        warnings.simplefilter("ignore")
        try:
            yield pydicom
        except ImageError:
            raise
        except (MemoryError, RecursionError) as error:
            raise ImageError("a damaged DICOM file: its elements are nested too deeply") from error
        except Exception as error:  # pydicom raises anything; what it says may quote the patient's name
            raise ImageError(f"a damaged DICOM file ({type(error).__name__})") from error


@cache
def _pydicom() -> Any:
    try:
        import pydicom.encaps
        import pydicom.filereader
        import pydicom.pixels
    except ImportError as error:
        raise ImageError(missing(DICOM)) from error
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # see `reading`
    return pydicom


class _WithinFile:
    """A stream that limits reads to the length of the file, because the lengths in a damaged header may be wrong."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream, self._length = stream, length

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._length - self._stream.tell())
        return self._stream.read(left if size < 0 else min(size, left))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _header(pydicom: Any, stream: Any, length: int) -> Header:
    syntax = _syntax(pydicom, stream)
    stream.seek(0)
    facts = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(TAGS))
    tag, size, start = _element(stream, syntax)
    photometric = _checked(facts, tag)
    frames = int(facts.get("NumberOfFrames") or 1)
    header = Header(
        syntax,
        photometric,
        (int(facts.Columns), int(facts.Rows)),
        frames,
        start,
        None if size == _UNDEFINED else size,
        facts,
    )
    # Of a picture that is compressed there are at least the 8 bytes that say how long it is.
    least = frames * (8 if header.length is None else header.frame_length)
    if frames < 1 or frames > MAX_FRAMES or (frames > 1 and start + least > length):
        raise ImageError(
            f"a DICOM file that claims to hold {frames:,} pictures; expected 1 to {MAX_FRAMES:,} that fit in the file"
        )
    return header


def _syntax(pydicom: Any, stream: Any) -> str:
    """The transfer syntax; read by itself, because pydicom would inflate a file that says so without any limit."""
    stream.seek(HEAD)
    read = pydicom.filereader.read_dataset
    about = read(stream, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag >> 16 != 2)
    syntax = str(about.get("TransferSyntaxUID", _IMPLICIT))
    if syntax == _DEFLATED:
        raise ImageError("a deflated DICOM file, which is not read; save it uncompressed or as JPEG")
    if syntax in _VIDEO:
        raise ImageError(f"a video in a DICOM file ({pydicom.uid.UID(syntax).name}), not photographs")
    return syntax


def _element(stream: Any, syntax: str) -> tuple[int, int, int]:
    """The element at which a stream stands: its tag, its length in bytes, and where its value begins; 0 at the end."""
    order = ">" if syntax == _BIG_ENDIAN else "<"
    head = stream.read(12)
    if len(head) < 12:
        return 0, 0, 0
    group, element, size = struct.unpack(f"{order}HHI", head[:8])
    if syntax == _IMPLICIT:
        return (group << 16) + element, size, stream.tell() - 4
    (size,) = struct.unpack(f"{order}I", head[8:])  # of OB and OW, which pixels are
    return (group << 16) + element, size, stream.tell()


def _checked(facts: Dataset, tag: int) -> str:
    """The photometric interpretation of what is a photograph."""
    kind = facts.get("SOPClassUID", "")
    known = kind in ("", _SECONDARY_CAPTURE) or kind.startswith((_VISIBLE_LIGHT, f"{_SECONDARY_CAPTURE}."))
    named = getattr(kind, "name", "") if getattr(kind, "type", "") == "SOP Class" else "unknown kind"
    if tag not in (_PIXELS, *_OTHER_PIXELS):
        raise ImageError(f"a DICOM file without pixels ({named})")
    if tag != _PIXELS or not known or kind == _WHOLE_SLIDE:
        raise ImageError(f"a DICOM file that holds no photographs ({named})")
    photometric = str(facts.PhotometricInterpretation).strip()
    samples = {**COLOURS, **GREYS}.get(photometric)
    if samples is None:
        raise ImageError("a DICOM file with an unsupported photometric interpretation; supported are RGB, YBR_FULL, "
                         "YBR_FULL_422, YBR_ICT, YBR_RCT, PALETTE COLOR, MONOCHROME1 and MONOCHROME2")  # fmt: skip
    bits = int(facts.BitsAllocated)
    if int(facts.SamplesPerPixel) != samples or bits not in (1, 8, 16) or (bits != 8 and photometric[:3] == "YBR"):
        raise ImageError(f"a damaged DICOM file: {facts.SamplesPerPixel} samples of {bits} bits as {photometric}")
    return photometric
