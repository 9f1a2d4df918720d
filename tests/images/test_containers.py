from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from tests.images.dicom_files import picture
from tests.images.icc import rgb_profile, to_srgb
from zsderm.errors import ImageError
from zsderm.images import find, open_image
from zsderm.images.decoding import read_header

FORMS = ("HEIF", "AVIF")
ORIENTATION = 0x0112
TWIN = picture(3, (96, 64))


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """A file of the best quality; colours are not thinned out."""
    buffer = BytesIO()
    if form == "HEIF":
        exact = {"quality": -1, "chroma": "444", "matrix_coefficients": 0} if image.mode != "L" else {"quality": -1}
        file = pillow_heif.from_bytes(image.mode, image.size, image.tobytes())  # from_pillow would turn it beforehand
        file.info.update(options)
        file.save(buffer, **exact)
    else:
        image.save(buffer, "AVIF", quality=100, subsampling="4:4:4", **options)
    return buffer.getvalue()


def turned(orientation: int) -> Image.Image:
    """The twin as it is shown."""
    image = TWIN.copy()
    image.getexif()[ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


def far(image: Image.Image, expected: np.ndarray) -> int:
    """The largest difference of any level."""
    assert (image.mode, image.info) == ("RGB", {})
    return int(np.abs(np.asarray(image).astype(int) - expected).max())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_picture_is_the_same_as_its_png_twin(form: str, mode: str) -> None:
    image = TWIN.convert(mode)
    assert far(open_image(encoded(image, form)), np.asarray(image.convert("RGB")).astype(int)) <= (
        0 if form == "HEIF" else 3
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_once_as_its_container_says(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = encoded(TWIN, form, exif=exif.tobytes())
    assert b"irot" in content or b"imir" in content or orientation == 1  # the container says it
    expected = turned(orientation)
    found = open_image(content)
    assert found.size == expected.size
    assert far(found, np.asarray(expected).astype(int)) <= 3


@pytest.mark.parametrize("form", FORMS)
def test_display_p3_becomes_srgb(form: str) -> None:
    pale = Image.fromarray((np.asarray(TWIN) // 2 + 64).astype(np.uint8))  # all of them are in sRGB as well
    found = open_image(encoded(pale, form, icc_profile=rgb_profile("Display P3")))
    expected = np.rint(to_srgb(np.asarray(pale), "Display P3")).astype(int)
    assert far(found, expected) <= (2 if form == "HEIF" else 6)
    assert far(found, np.asarray(pale).astype(int)) > 10


@pytest.mark.parametrize("form", FORMS)
def test_transparency_is_put_on_white(form: str) -> None:
    image = TWIN.convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    assert far(open_image(encoded(image, form)), np.full((64, 96, 3), 255)) <= 2


@pytest.mark.parametrize("form", FORMS)
def test_thinned_colours_and_the_usual_quality_are_near_the_twin(form: str) -> None:
    buffer = BytesIO()
    smooth = TWIN.resize((24, 16)).resize((96, 64), Image.Resampling.BICUBIC)
    if form == "HEIF":
        pillow_heif.from_pillow(smooth).save(buffer, quality=80)
    else:
        smooth.save(buffer, "AVIF", quality=80)
    found = np.asarray(open_image(buffer.getvalue())).astype(int)
    assert np.abs(found - np.asarray(smooth)).mean() < 4


def test_deep_heic_is_brought_to_eight_bits() -> None:
    levels = np.asarray(TWIN).astype(np.uint16) * 257
    buffer = BytesIO()
    pillow_heif.from_bytes("RGB;16", TWIN.size, levels.tobytes()).save(buffer, quality=-1, chroma="444")
    assert far(open_image(buffer.getvalue()), np.asarray(TWIN).astype(int)) <= 3


@pytest.mark.parametrize("name", ["a.heic", "b.HEIF", "c.hif", "d.avif", "e.jpg"])
def test_the_content_says_what_a_file_is_and_folders_list_it(name: str, tmp_path: Path) -> None:
    form = "AVIF" if name.endswith("avif") else "HEIF"
    (tmp_path / name).write_bytes(encoded(TWIN, form))
    assert [path.name for path in find(tmp_path)] == [name]
    assert open_image(tmp_path / name).size == TWIN.size


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", [0.02, 0.2, 0.5, 0.9])
def test_a_file_that_is_cut_short_is_a_reason(form: str, part: float) -> None:
    content = encoded(TWIN, form)
    with pytest.raises(ImageError) as raised:
        open_image(content[: int(len(content) * part)])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("side", [100_000, 40_000, 16_000])
def test_a_header_that_claims_a_giant_picture_is_refused_before_anything_is_decoded(form: str, side: int) -> None:
    content = bytearray(encoded(TWIN, form))
    place = content.index(b"ispe")
    while place >= 0:
        content[place + 8 : place + 16] = struct.pack(">II", side, side)
        place = content.find(b"ispe", place + 16)
    with pytest.raises(ImageError) as raised:
        read_header(BytesIO(bytes(content)))
    assert "\n" not in str(raised.value)


def test_a_heic_whose_header_claims_another_size_than_the_picture_has_is_a_reason() -> None:
    content = bytearray(encoded(TWIN, "HEIF"))
    place = content.index(b"ispe")
    content[place + 8 : place + 16] = struct.pack(">II", 70, 50)
    with pytest.raises(ImageError):
        open_image(bytes(content))


def test_of_several_pictures_the_one_that_the_file_calls_its_first_is_taken() -> None:
    file = pillow_heif.from_pillow(picture(1, (96, 64)))
    file.add_from_pillow(TWIN)
    buffer = BytesIO()
    file.save(buffer, quality=-1, chroma="444", matrix_coefficients=0, primary_index=1)
    assert far(open_image(buffer.getvalue()), np.asarray(TWIN).astype(int)) == 0


def test_a_video_in_such_a_container_is_no_image() -> None:
    content = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(200)
    with pytest.raises(ImageError, match=r"not an image, or not one of: .*heic avif dicom"):
        open_image(content)
