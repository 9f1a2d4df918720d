"""DICOM files written for tests, with a patient in the header who must come out nowhere."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

PHOTOGRAPH = "1.2.840.10008.5.1.4.1.1.77.1.4"
DERMOSCOPY = "1.2.840.10008.5.1.4.1.1.77.1.7"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
CT = "1.2.840.10008.5.1.4.1.1.2"
PATIENT, NAME = "PAT-4711", "Doe^Jane"


def picture(seed: int = 5, size: tuple[int, int] = (48, 32)) -> Image.Image:
    """A picture of smooth colours with some noise, and no two corners alike."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 225, (4, 6, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return Image.fromarray(np.asarray(coarse) ^ rng.integers(0, 4, (size[1], size[0], 3), dtype=np.uint8))


def dicom(
    pixels: bytes | list[bytes] | None,
    size: tuple[int, int] = (48, 32),
    photometric: str = "RGB",
    syntax: str = ExplicitVRLittleEndian,
    kind: str = PHOTOGRAPH,
    **facts: object,
) -> bytes:
    """The bytes of a DICOM file.

    Args:
        pixels: as they stand in the file, or a list of compressed pictures; None: no pixels.
        size: width and height.
        photometric: the photometric interpretation.
        syntax: UID of the transfer syntax.
        kind: UID of the SOP class.
        facts: further elements, by keyword.
    """
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = UID(kind)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid(entropy_srcs=[photometric, syntax])
    data.PatientID, data.PatientName = PATIENT, NAME
    data.Columns, data.Rows = size
    data.PhotometricInterpretation = photometric
    data.SamplesPerPixel = 1 if photometric.startswith(("MONO", "PAL")) else 3
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    if isinstance(pixels, list) and len(pixels) > 1:
        data.NumberOfFrames = len(pixels)
    for keyword, value in facts.items():
        setattr(data, keyword, value)
    data.HighBit = data.BitsStored - 1
    if pixels is not None:
        data.PixelData = encapsulate(pixels) if isinstance(pixels, list) else pixels + bytes(len(pixels) % 2)
        data["PixelData"].VR = "OB" if data.BitsAllocated == 8 else "OW"
        data["PixelData"].is_undefined_length = isinstance(pixels, list)
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def photograph(image: Image.Image, **facts: object) -> bytes:
    """A photograph as uncompressed RGB."""
    return dicom(np.asarray(image).tobytes(), image.size, **facts)


def several(images: list[Image.Image], **facts: object) -> bytes:
    """Several photographs of one size as uncompressed RGB."""
    pixels = b"".join(np.asarray(image).tobytes() for image in images)
    return dicom(pixels, images[0].size, NumberOfFrames=len(images), **facts)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """The bytes of an image file, of even length as DICOM wants them."""
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue() + bytes(buffer.tell() % 2)
