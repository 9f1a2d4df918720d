from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from pydicom.dataset import Dataset
from pydicom.pixels import get_encoder
from pydicom.uid import (
    JPEG2000,
    JPEG2000MC,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.images.dicom_files import DERMOSCOPY, SECONDARY_CAPTURE, dicom, encoded, photograph, picture, several
from tests.images.icc import rgb_profile, to_srgb
from zsderm.errors import ImageError
from zsderm.images import open_image

TWIN = picture()
PIXELS = np.asarray(TWIN)  # (32, 48, 3)
GREY = np.asarray(TWIN.convert("L"))


def opened(content: bytes, **how: object) -> np.ndarray:
    image = open_image(content, **how)
    assert (image.mode, image.info) == ("RGB", {})
    return np.asarray(image)


def as_png(image: Image.Image) -> np.ndarray:
    """What the PNG twin of a picture is opened as."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return np.asarray(open_image(buffer.getvalue()))


def ycbcr(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("YCbCr"))


def palette_of(bits: int, first: int = 0, wide: bool = False) -> tuple[np.ndarray, np.ndarray, dict[str, object]]:
    """Indices (H, W) into 200 colours, those colours as (H, W, 3), and the elements that say so."""
    rng = np.random.default_rng(2)
    colours = rng.integers(0, 256, (200, 3), dtype=np.uint8)
    index = rng.integers(0, 200, (32, 48))
    facts: dict[str, object] = {}
    for column, colour in enumerate(("Red", "Green", "Blue")):
        levels = colours[:, column].astype("<u2")
        table = (levels * 257 if bits == 16 else levels) if bits == 16 or wide else colours[:, column]
        facts[f"{colour}PaletteColorLookupTableDescriptor"] = [200, first, bits]
        facts[f"{colour}PaletteColorLookupTableData"] = table.tobytes()
    return (index + first).astype(np.uint8), colours[index], facts


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, "1.2.840.10008.1.2.1"])
@pytest.mark.parametrize("kind", [DERMOSCOPY, SECONDARY_CAPTURE, f"{SECONDARY_CAPTURE}.4"])
def test_uncompressed_rgb_is_the_same_picture_as_its_png_twin(syntax: str, kind: str) -> None:
    np.testing.assert_array_equal(opened(photograph(TWIN, syntax=syntax, kind=kind)), as_png(TWIN))


def test_planes_of_one_colour_each_are_put_together() -> None:
    planes = PIXELS.transpose(2, 0, 1).tobytes()
    np.testing.assert_array_equal(opened(dicom(planes, PlanarConfiguration=1)), PIXELS)


@pytest.mark.parametrize("odd", [False, True])
def test_a_picture_of_an_odd_number_of_bytes_comes_out_whole(odd: bool) -> None:
    image = picture(size=(33, 31) if odd else (33, 30))
    np.testing.assert_array_equal(opened(photograph(image)), np.asarray(image))


def test_big_endian_files_are_read() -> None:
    deep = (GREY.astype(np.uint16) * 257).astype(">u2")
    content = dicom(deep.tobytes(), (48, 32), "MONOCHROME2", ExplicitVRBigEndian, BitsAllocated=16, BitsStored=16)
    np.testing.assert_array_equal(opened(content)[..., 0], GREY)


def test_ybr_full_is_turned_into_the_colours_that_it_stands_for() -> None:
    # PS3.3, C.7.6.3.1.2
    matrix = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    stored = np.rint(PIXELS @ matrix.T + [0, 128, 128]).clip(0, 255).astype(np.uint8)
    found = opened(dicom(stored.tobytes(), photometric="YBR_FULL"))
    exact = (stored - np.array([0, 128.0, 128.0])) @ np.linalg.inv(matrix).T
    assert np.abs(found - exact.clip(0, 255)).max() < 1
    assert np.abs(found.astype(int) - PIXELS).max() <= 2  # as far as rounding to YCbCr and back goes


def test_ybr_full_422_has_one_colour_for_two_pixels() -> None:
    full = ycbcr(TWIN)
    halved = np.empty((32, 24, 4), np.uint8)  # Y1, Y2, Cb, Cr of two pixels
    halved[..., 0], halved[..., 1] = full[:, ::2, 0], full[:, 1::2, 0]
    halved[..., 2:] = full[:, ::2, 1:]
    expected = full.copy()
    expected[:, 1::2, 1:] = full[:, ::2, 1:]
    found = opened(dicom(halved.tobytes(), photometric="YBR_FULL_422"))
    np.testing.assert_array_equal(found, np.asarray(Image.fromarray(expected, "YCbCr").convert("RGB")))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_white_is_the_largest_number_in_monochrome2_and_the_least_in_monochrome1(photometric: str, bits: int) -> None:
    white = 2**bits - 1
    levels = np.rint(GREY / 255 * white).astype(np.uint8 if bits == 8 else "<u2")
    stored = levels if photometric == "MONOCHROME2" else (white - levels).astype(levels.dtype)
    allocated = 8 if bits == 8 else 16
    content = dicom(stored.tobytes(), photometric=photometric, BitsAllocated=allocated, BitsStored=bits)
    np.testing.assert_array_equal(opened(content), np.stack([GREY] * 3, axis=-1))


def test_signed_grey_levels_begin_below_zero() -> None:
    stored = (GREY.astype(np.int32) * 257 - 2**15).astype("<i2")
    facts = {"BitsAllocated": 16, "BitsStored": 16, "PixelRepresentation": 1}
    np.testing.assert_array_equal(opened(dicom(stored.tobytes(), photometric="MONOCHROME2", **facts))[..., 0], GREY)


@pytest.mark.parametrize("slope", [1, 2])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_window_says_which_levels_are_black_and_white(slope: int, photometric: str) -> None:
    levels = np.arange(48 * 32).reshape(32, 48).astype("<u2")  # 12 bits would hold 4095
    window = {"WindowCenter": slope * 500 + 0.5, "WindowWidth": slope * 800 + 1, "RescaleSlope": slope}
    facts = {"BitsAllocated": 16, "BitsStored": 12, "RescaleIntercept": 0, **window}
    found = opened(dicom(levels.tobytes(), photometric=photometric, **facts))[..., 0].astype(int)
    expected = ((levels.astype(float) - 100) / 800).clip(0, 1) * 255
    assert np.abs(found - (255 - expected if photometric == "MONOCHROME1" else expected)).max() <= 1


@pytest.mark.parametrize(("bits", "wide"), [(8, False), (8, True), (16, False)])
@pytest.mark.parametrize("first", [0, 7])
def test_palettes_give_the_colours_that_indices_mean(bits: int, wide: bool, first: int) -> None:
    index, colours, facts = palette_of(bits, first, wide)
    np.testing.assert_array_equal(opened(dicom(index.tobytes(), photometric="PALETTE COLOR", **facts)), colours)


def test_indices_beyond_a_palette_take_its_last_colour() -> None:
    index, _, facts = palette_of(8)
    found = opened(dicom(np.full_like(index, 255).tobytes(), photometric="PALETTE COLOR", **facts))
    last = [facts[f"{colour}PaletteColorLookupTableData"][-1] for colour in ("Red", "Green", "Blue")]
    np.testing.assert_array_equal(found, np.broadcast_to(np.array(last, np.uint8), found.shape))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_in_dicom_is_the_same_picture_as_the_jpeg_alone(subsampling: int) -> None:
    alone = encoded(TWIN, "JPEG", quality=90, subsampling=subsampling)
    inside = dicom([alone], photometric="YBR_FULL_422", syntax=JPEGBaseline8Bit)
    np.testing.assert_array_equal(opened(inside), opened(alone))


def test_the_orientation_in_a_jpeg_inside_dicom_counts_for_nothing() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    inside = dicom([encoded(TWIN, "JPEG", quality=90, exif=exif)], photometric="YBR_FULL", syntax=JPEGBaseline8Bit)
    np.testing.assert_array_equal(opened(inside), opened(encoded(TWIN, "JPEG", quality=90)))


@pytest.mark.parametrize("named", [False, True])
def test_a_jpeg_of_rgb_without_a_word_on_its_colours_is_what_the_header_says(named: bool) -> None:
    marked = encoded(TWIN, "JPEG", quality=100, subsampling=0, keep_rgb=True)
    bare = _without_segments(marked, (0xE0, 0xEE))
    if not named:  # numbers for the letters R, G and B, by which the channels are called in both headers
        for before in (b"\x03R\x11\x00G\x11\x00B\x11\x00", b"\x03R\x00G\x00B\x00"):
            assert bare.count(before) == 1
            bare = bare.replace(before, before.translate(bytes.maketrans(b"RGB", b"\1\2\3")))
    found = opened(dicom([bare], photometric="RGB", syntax=JPEGBaseline8Bit))
    assert np.abs(found.astype(int) - PIXELS).max() <= 3


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEG2000])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_RCT", "MONOCHROME2"])
def test_lossless_jpeg_2000_is_the_same_picture(syntax: str, photometric: str) -> None:
    image = TWIN if photometric != "MONOCHROME2" else TWIN.convert("L")
    inside = encoded(image, "JPEG2000", irreversible=False, mct=int(photometric == "YBR_RCT"), no_jp2=True)
    found = opened(dicom([inside], photometric=photometric, syntax=syntax))
    np.testing.assert_array_equal(found, np.asarray(image.convert("RGB")))


def test_deep_grey_in_jpeg_2000_is_scaled() -> None:
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    inside = encoded(deep, "JPEG2000", irreversible=False, no_jp2=True)
    facts = {"BitsAllocated": 16, "BitsStored": 16}
    content = dicom([inside], photometric="MONOCHROME2", syntax=JPEG2000Lossless, **facts)
    np.testing.assert_array_equal(opened(content)[..., 0], GREY)


@pytest.mark.parametrize("photometric", ["RGB", "MONOCHROME2", "PALETTE COLOR"])
def test_run_lengths_are_undone(photometric: str) -> None:
    index, colours, palette = palette_of(8)
    pixels, expected, facts = {
        "RGB": (PIXELS, PIXELS, {}),
        "MONOCHROME2": (GREY, np.stack([GREY] * 3, axis=-1), {}),
        "PALETTE COLOR": (index, colours, palette),
    }[photometric]
    samples = 3 if pixels.ndim == 3 else 1
    packed = get_encoder(RLELossless).encode(
        pixels.tobytes(),
        rows=32, columns=48, number_of_frames=1, samples_per_pixel=samples, bits_allocated=8, bits_stored=8,
        pixel_representation=0, photometric_interpretation=photometric, planar_configuration=0,
        encoding_plugin="pydicom",
    )  # fmt: skip
    np.testing.assert_array_equal(
        opened(dicom([packed], photometric=photometric, syntax=RLELossless, **facts)), expected
    )


@pytest.mark.parametrize("compressed", [False, True])
def test_each_picture_of_several_is_its_own(compressed: bool) -> None:
    images = [picture(seed) for seed in range(3)]
    if compressed:
        alone = [encoded(image, "JPEG", quality=95) for image in images]
        content = dicom(alone, photometric="YBR_FULL_422", syntax=JPEGBaseline8Bit)
        expected = [opened(one) for one in alone]
    else:
        content, expected = several(images), [np.asarray(image) for image in images]
    for number, pixels in enumerate(expected, start=1):
        np.testing.assert_array_equal(opened(content, frame=number), pixels)
    np.testing.assert_array_equal(opened(content), expected[0])
    with pytest.raises(ImageError, match="holds 3 pictures, so there is no picture 4"):
        open_image(content, frame=4)


@pytest.mark.parametrize("where", ["file", "path of light"])
def test_the_colour_profile_of_the_file_is_used(where: str) -> None:
    profile = rgb_profile("Display P3")
    path = Dataset()
    path.ICCProfile = profile
    facts = {"ICCProfile": profile} if where == "file" else {"OpticalPathSequence": [path]}
    found = opened(photograph(TWIN, **facts))
    assert np.abs(found - to_srgb(PIXELS, "Display P3")).max() <= 2
    assert np.abs(found.astype(int) - PIXELS).max() > 5


def test_a_profile_of_srgb_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(opened(photograph(TWIN, ICCProfile=profile)), PIXELS)


UNREADABLE = {
    "cut short": (photograph(TWIN)[:-500], "cut short"),
    "half a jpeg": (dicom([encoded(TWIN, "JPEG")[:400]], photometric="YBR_FULL", syntax=JPEGBaseline8Bit), "cut short"),
    "no jpeg": (dicom([b"no picture at all."], photometric="YBR_FULL", syntax=JPEGBaseline8Bit), "damaged"),
    "other size": (
        dicom([encoded(TWIN, "JPEG")], (64, 64), "YBR_FULL", JPEGBaseline8Bit),
        "header says 64 x 64 pixels",
    ),
    "grey in rgb": (dicom([encoded(TWIN.convert("L"), "JPEG")], syntax=JPEGBaseline8Bit), "JPEG in it is L"),
    "jpeg-ls": (dicom([b"\0" * 64], syntax=JPEGLSLossless), "JPEG-LS Lossless .*no decoder is installed"),
    "lossless jpeg": (dicom([b"\0" * 64], syntax=JPEGLosslessSV1), "no decoder is installed.*python-gdcm"),
    "unknown syntax": (dicom([b"\0" * 64], syntax=JPEG2000MC), "unsupported transfer syntax"),
    "no palette": (dicom(GREY.tobytes(), photometric="PALETTE COLOR"), "damaged DICOM file"),
    "inks": (dicom(PIXELS.tobytes(), photometric="CMYK"), "unsupported photometric interpretation"),
    "32 bits": (dicom(PIXELS.tobytes(), BitsAllocated=32, BitsStored=32), "3 samples of 32 bits as RGB"),
    "bits": (dicom(bytes(192), photometric="MONOCHROME2", BitsAllocated=1, BitsStored=1), "black and white"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_decoded_is_a_reason(case: str) -> None:
    content, reason = UNREADABLE[case]
    with pytest.raises(ImageError, match=reason) as raised:
        open_image(content)
    assert "\n" not in str(raised.value)


def test_a_decoded_picture_is_the_same_from_a_file_and_from_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(photograph(TWIN))
    np.testing.assert_array_equal(np.asarray(open_image(path)), PIXELS)


def _without_segments(jpeg: bytes, markers: tuple[int, ...]) -> bytes:
    """A JPEG file without some of its segments."""
    kept, place = jpeg[:2], 2
    while jpeg[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
        if jpeg[place + 1] not in markers:
            kept += jpeg[place:end]
        place = end
    return kept + jpeg[place:]
