from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.images.icc import PRIMARIES, grey_profile, ink_profile, rgb_profile, to_srgb
from zsderm.images import open_image
from zsderm.images.profiles import to_srgb as transform_of

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def skin() -> np.ndarray:
    """(40, 60, 3) uint8 in the colours of skin, dark to light."""
    rows, columns = np.mgrid[0:40, 0:60]
    return (
        np.stack([90 + 2 * columns, 60 + 2 * columns + rows, 50 + columns + rows], axis=2).clip(0, 255).astype(np.uint8)
    )


def stored(image: Image.Image, form: str, profile: bytes | None, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, icc_profile=profile, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("name", PRIMARIES)
def test_colours_of_a_wide_profile_become_srgb(name: str, form: str) -> None:
    opened = np.asarray(open_image(stored(Image.fromarray(skin()), form, rgb_profile(name))), float)
    expected = to_srgb(skin(), name)
    assert np.abs(opened - expected).max() <= 2
    assert np.abs(skin() - expected).max() > 10  # what it would be without


@pytest.mark.parametrize("options", [{"quality": 95, "subsampling": 0}, {"quality": 95, "progressive": True}])
def test_a_jpeg_of_a_telephone_is_converted_at_full_and_at_reduced_size(options: dict[str, object]) -> None:
    large = Image.fromarray(skin()).resize((480, 320), Image.Resampling.BICUBIC)
    content = stored(large, "JPEG", rgb_profile("Display P3"), **options)
    for opened in (open_image(content), open_image(content, at_least=80)):
        small = np.asarray(large.resize(opened.size, Image.Resampling.BOX), float)
        assert np.abs(np.asarray(opened, float) - to_srgb(small, "Display P3")).mean() < 2


def test_an_image_that_pil_has_opened_is_converted_as_well_and_only_once() -> None:
    with Image.open(BytesIO(stored(Image.fromarray(skin()), "PNG", rgb_profile("Adobe RGB")))) as picture:
        once = open_image(picture)
    assert np.abs(np.asarray(once, float) - to_srgb(skin(), "Adobe RGB")).max() <= 2
    assert open_image(once).tobytes() == once.tobytes()


def test_palettes_and_transparent_images_are_converted_too() -> None:
    palette = Image.fromarray(skin()).quantize(200)
    plain = np.asarray(palette.convert("RGB"))
    opened = open_image(stored(palette, "PNG", rgb_profile("ProPhoto")))
    assert np.abs(np.asarray(opened, float) - to_srgb(plain, "ProPhoto")).max() <= 2
    clear = Image.fromarray(skin())
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    opened = open_image(stored(clear, "PNG", rgb_profile("ProPhoto")))
    share = np.asarray(clear.getchannel("A"), float)[..., None] / 255
    expected = share * to_srgb(skin(), "ProPhoto") + (1 - share) * 255
    assert np.abs(np.asarray(opened, float) - expected).max() <= 3


def test_grey_and_cmyk_go_by_profiles_of_their_own_kind() -> None:
    grey = Image.fromarray(np.arange(256, dtype=np.uint8)[None].repeat(8, axis=0))
    opened = np.asarray(open_image(stored(grey, "PNG", grey_profile(1.6))), float)
    linear = (np.arange(256) / 255) ** 1.6
    expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(opened[0, :, 0] - expected).max() <= 3
    assert np.abs(np.arange(256) - expected).max() > 20
    deep = Image.fromarray((np.arange(256, dtype=np.uint16) * 257)[None].repeat(8, axis=0))
    assert np.array_equal(np.asarray(open_image(stored(deep, "PNG", grey_profile(1.6)))), opened)
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    red, green, blue = open_image(stored(cyan, "TIFF", ink_profile())).getpixel((4, 4))
    assert red > green + 40 and red > blue + 40
    assert open_image(stored(cyan, "TIFF", None)).getpixel((4, 4))[0] < 60


def test_srgb_keeps_every_pixel() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    assert transform_of(SRGB, "RGB") is None
    assert np.array_equal(np.asarray(open_image(stored(image, "PNG", SRGB))), np.asarray(image))


@pytest.mark.parametrize(
    "profile",
    [
        b"junk",
        b"\0" * 200,
        rgb_profile("ProPhoto")[:150],
        rgb_profile("ProPhoto")[:300],
        grey_profile(1.0),
        ink_profile(),
    ],
    ids=["junk", "zeros", "cut", "cut later", "of grey", "of inks"],
)
def test_a_profile_that_is_damaged_or_of_another_kind_is_ignored(profile: bytes) -> None:
    image = Image.fromarray(skin())
    assert np.array_equal(np.asarray(open_image(stored(image, "PNG", profile))), skin())
    assert np.array_equal(np.asarray(open_image(stored(image, "TIFF", profile))), skin())


@pytest.mark.slow
def test_large_images_are_converted_in_bands_without_seams_and_turned() -> None:
    large = Image.fromarray(skin()).resize((1500, 1000))
    profile = rgb_profile("Display P3")
    small = np.asarray(open_image(stored(large.crop((0, 0, 1500, 500)), "PNG", profile)))
    whole = open_image(stored(large, "PNG", profile))
    assert np.array_equal(np.asarray(whole)[:500], small)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        turned = open_image(stored(large, "PNG", profile, exif=exif))
        unturned = {
            6: Image.Transpose.ROTATE_90,
            8: Image.Transpose.ROTATE_270,
            3: Image.Transpose.ROTATE_180,
            2: Image.Transpose.FLIP_LEFT_RIGHT,
            4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE,
            7: Image.Transpose.TRANSVERSE,
        }.get(orientation)
        assert (turned if unturned is None else turned.transpose(unturned)).tobytes() == whole.tobytes()
