"""Pictures as they turn up in folders: every format, mode and size that cameras and scripts write, and damage."""

from __future__ import annotations

import random
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from tests.reliability.damage import damaged

# Format, suffix and the modes that Pillow writes it in.
WRITTEN = [
    ("JPEG", ".jpg", ("L", "RGB", "CMYK")),
    ("PNG", ".png", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    ("WEBP", ".webp", ("RGB", "RGBA")),
    ("TIFF", ".tif", ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16")),
    ("BMP", ".bmp", ("1", "L", "P", "RGB", "RGBA")),
    ("GIF", ".gif", ("L", "P")),
]
SIZES = [(1, 1), (2, 3), (17, 5), (40, 30), (64, 64), (120, 90), (90, 120), (300, 4), (1000, 9)]
NOT_PICTURES = [
    b"",
    b"\x00",
    b"\xff\xd8\xff",
    b"<html><body>404 Not Found</body></html>",
    b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    b"PK\x03\x04" + bytes(60),
    bytes(132) + b"DICM" + bytes(60),
]


def odd_images(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """So many files: their names, which say what they are, and their bytes.

    About two fifths are whole, two fifths are damaged and the rest are no pictures or stand under a wrong suffix.
    """
    rng = random.Random(seed)
    for number in range(count):
        form, suffix, mode, data = _whole(rng)
        what = rng.random()
        if what < 0.4:
            name = f"{number:05}_whole_{form}_{_word(mode)}{suffix}"
        elif what < 0.8:
            damage, data = damaged(rng, data)
            name = f"{number:05}_{damage}_{form}_{_word(mode)}{suffix}"
        elif what < 0.9:
            name = f"{number:05}_as_another_{form}_{_word(mode)}{rng.choice(['.jpg', '.png', '.tif', '.gif', '.webp'])}"
        else:
            name, data = f"{number:05}_no_picture{suffix}", rng.choice([*NOT_PICTURES, rng.randbytes(200)])
        yield name, data


def _word(mode: str) -> str:
    return mode.replace(";", "")


def _whole(rng: random.Random) -> tuple[str, str, str, bytes]:
    form, suffix, modes = rng.choice(WRITTEN)
    mode = rng.choice(modes)
    picture = _picture(rng, mode)
    options: dict[str, object] = {}
    if form != "BMP" and mode == "RGB" and rng.random() < 0.3:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(rng.choice(["sRGB", "XYZ"]))).tobytes()
        options["icc_profile"] = rng.choice([profile, damaged(rng, profile)[1], b"", b"none"])
    if form in ("JPEG", "PNG", "WEBP", "TIFF") and rng.random() < 0.4:
        exif = Image.Exif()
        turn = rng.choice([0, 1, 3, 6, 8, 9, 200])
        exif[0x0112] = max(1, min(turn, 8)) if form == "TIFF" else turn  # libtiff writes no other
        options["exif"] = rng.choice([exif.tobytes(), damaged(rng, exif.tobytes())[1] if form == "JPEG" else exif])
    if form == "JPEG":
        options |= {"quality": rng.choice([1, 50, 95]), "progressive": rng.random() < 0.3}
    if form == "TIFF" and mode in ("L", "RGB"):
        options["compression"] = rng.choice([None, "tiff_lzw", "tiff_deflate", "packbits"])
    if form in ("GIF", "WEBP", "TIFF", "PNG") and mode in ("RGB", "L", "P") and rng.random() < 0.2:
        options |= {"save_all": True, "append_images": [picture.rotate(90), picture.rotate(180)]}
    buffer = BytesIO()
    picture.save(buffer, form, **options)
    return form, suffix, mode, buffer.getvalue()


def _picture(rng: random.Random, mode: str) -> Image.Image:
    width, height = rng.choice(SIZES)
    values = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (height, width, 3), dtype=np.uint8)
    colours = Image.fromarray(values)
    if mode == "I;16":
        return Image.fromarray(np.asarray(colours.convert("L")).astype(np.uint16) * 257)
    if mode == "F":
        factor = rng.choice([1.0, 1 / 255, 1e9, -1.0, float("nan"), float("inf")])
        with np.errstate(invalid="ignore"):  # infinity times zero is one of the odd pictures
            return Image.fromarray(np.asarray(colours.convert("L"), np.float32) * np.float32(factor))
    return colours.convert("RGB").convert(mode) if mode != "LAB" else _lab(colours)


def _lab(colours: Image.Image) -> Image.Image:
    return Image.merge("LAB", colours.split())
