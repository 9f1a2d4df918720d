"""The formats of photographs: their names, how to recognise them by the first bytes, and the packages they need.

This list stands here and nowhere else. Pillow reads most of them; HEIC and DICOM need a package of an extra.
"""

from __future__ import annotations

from functools import cache

DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
SUFFIXES = DICOM_SUFFIXES | {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".hif",
    ".avif",
}  # fmt: skip
KNOWN = "jpg png webp tiff bmp gif heic avif dicom"  # as messages list them

# Only raster formats: Pillow would hand an EPS file in disguise to Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DIB", "GIF")
JPEG_FORMATS = ("JPEG", "MPO")  # telephones write several JPEG images into one file and call it MPO

HEAD = 132  # bytes of a file in which `kind_of` finds what it looks for
HEIC, AVIF, DICOM = "HEIF", "AVIF", "DICOM"  # what Pillow calls the first two

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_PACKAGES = {HEIC: ("HEIC", "pillow-heif", "heic"), DICOM: ("DICOM", "pydicom", "dicom")}


def kind_of(head: bytes) -> str:
    """HEIC, AVIF or DICOM, recognised by the first bytes; empty for every other file, whatever its name.

    Args:
        head: the first `HEAD` bytes.
    """
    if head[4:8] == b"ftyp":
        length = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[8:12], *(head[place : place + 4] for place in range(16, length - 3, 4))}
        return AVIF if brands & _AVIF_BRANDS else HEIC if brands & _HEIC_BRANDS else ""
    return DICOM if is_dicom(head) else ""


def is_dicom(head: bytes) -> bool:
    """Whether a file begins like a DICOM file: 128 bytes of any content, then "DICM" (PS3.10, section 7.1)."""
    return head[128:132] == b"DICM"


@cache
def missing(kind: str) -> str:
    """The reason for a file that cannot be read because a package is missing, with the command that installs it.

    Args:
        kind: `HEIC`, `AVIF` or `DICOM`.
    """
    from zsderm import installation  # not above: who lacks nothing need not wait for it

    if kind == AVIF:
        newer = installation.pip("--upgrade", "Pillow>=11.3")
        return (
            f"an AVIF image, which Pillow {installation.version_of('Pillow')} cannot read. Upgrade Pillow with: {newer}"
        )
    name, package, extra = _PACKAGES[kind]
    command = installation.extra(extra)
    return f"{name} needs the package {package}, which is not installed. Install it with: {command}"
