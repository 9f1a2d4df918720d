from __future__ import annotations

import gc
import os
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from zsderm.errors import ImageError
from zsderm.images import MAX_ASPECT_RATIO, SUFFIXES, file_behind, find, named, open_file, open_image, walk

ORIENTATION = 0x0112
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}, "BMP": {}}


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def grid() -> Image.Image:
    """The corner picture of the fixture ``photo``, for tests that hypothesis calls many times."""
    image = Image.new("RGB", (60, 40), (128, 128, 128))
    image.paste((255, 0, 0), (0, 0, 30, 20))
    image.paste((0, 0, 255), (0, 20, 30, 40))
    return image


def assert_same(image: Image.Image, expected: Image.Image, tolerance: int = 0) -> None:
    assert image.mode == "RGB"
    assert image.size == expected.size
    difference = np.abs(np.asarray(image, int) - np.asarray(expected.convert("RGB"), int))
    assert difference.max() <= tolerance


# find


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_folders_are_walked_to_the_bottom_and_sorted_the_way_people_count(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "10.jpg",
        "2.JPG",
        "b/1.png",
        "a/b/c/3.webp",
        "a/12.tif",
        "a/9.tiff",
        "x.bmp",
        "y.gif",
        "z.jpeg",
        "z.jpe",
        "z.jfif",
        "zz.avif",
        "zz.heic",
        "zz.heif",
        "zz.hif",
        "zz.dcm",
        "zz.dicom",
    )
    found = [path.relative_to(tmp_path).as_posix() for path in find(tmp_path)]
    assert found[:7] == ["2.JPG", "10.jpg", "a/9.tiff", "a/12.tif", "a/b/c/3.webp", "b/1.png", "x.bmp"]
    assert found[7:11] == ["y.gif", "z.jfif", "z.jpe", "z.jpeg"]
    assert {Path(name).suffix.lower() for name in found} == SUFFIXES


def test_hidden_files_and_hidden_folders_are_skipped(tmp_path: Path) -> None:
    touch(tmp_path, "seen.jpg", "._seen.jpg", ".cache/thumb.jpg", "notes.txt")
    assert find(str(tmp_path)) == [tmp_path / "seen.jpg"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert find(tmp_path) == [tmp_path / "a" / "1.jpg"]


def test_files_named_one_by_one_are_kept_in_the_order_given_even_if_missing_or_odd(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a.dat", "folder/1.jpg")
    names = [tmp_path / "b.jpg", tmp_path / "missing.jpg", str(tmp_path / "a.dat"), tmp_path / "folder"]
    assert find(names) == [Path(name) for name in names[:3]] + [tmp_path / "folder" / "1.jpg"]
    assert find(str(tmp_path / "missing.jpg")) == [tmp_path / "missing.jpg"]


@pytest.mark.parametrize("many", [False, True])
def test_a_missing_folder_says_what_to_do(tmp_path: Path, many: bool) -> None:
    source = tmp_path / "photoz"
    with pytest.raises(ImageError, match=r"no folder '.*photoz'. Check the spelling"):
        find([source] if many else source)


def test_a_folder_without_images_says_which_suffixes_are_expected(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(
        ImageError, match=r"holds no images. Expected files ending in one of: avif bmp dcm dicom gif heic heif hif jfif"
    ):
        find(tmp_path)


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ImageError, match="got an empty list"):
        find([])


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list anything")
def test_a_folder_that_cannot_be_listed_is_not_silently_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "b").chmod(0)
    try:
        with pytest.raises(ImageError, match="cannot be listed"):
            find(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o700)


def test_a_walk_gives_what_find_lists_and_opens_no_folder_before_its_turn(tmp_path: Path, monkeypatch) -> None:
    touch(tmp_path, "10.jpg", "2.JPG", "a/1.png", "b/2.png", "c/3.png")
    opened, plain = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: opened.append(Path(folder).name) or plain(folder))
    steps = walk(tmp_path)
    assert [next(steps).name for _ in range(3)] == ["2.JPG", "10.jpg", "1.png"]
    assert opened == [tmp_path.name, "a"]
    assert [path.name for path in steps] == ["2.png", "3.png"]
    assert list(walk([tmp_path, tmp_path / "10.jpg"])) == find([tmp_path, tmp_path / "10.jpg"])


def test_a_folder_may_be_named_like_an_image(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg/1.png", "b.jpg")
    assert find(tmp_path) == [tmp_path / "a.jpg" / "1.png", tmp_path / "b.jpg"]


# open_image: formats and orientation


@pytest.mark.parametrize("form", LOSSLESS)
def test_lossless_formats_come_back_pixel_for_pixel(photo: Image.Image, form: str) -> None:
    assert_same(open_image(encoded(photo, form, **LOSSLESS[form])), photo)


@pytest.mark.parametrize(("form", "tolerance"), [("JPEG", 12), ("GIF", 2)])
def test_jpeg_and_gif_come_back_close(photo: Image.Image, form: str, tolerance: int) -> None:
    options = {"quality": 95, "subsampling": 0} if form == "JPEG" else {}
    assert_same(open_image(encoded(photo, form, **options)), photo, tolerance)


def test_paths_bytes_streams_and_pil_images_give_the_same(photo: Image.Image, tmp_path: Path) -> None:
    content = encoded(photo, "PNG")
    (tmp_path / "a.png").write_bytes(content)
    stream = BytesIO(content)
    stream.seek(7)
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), content, stream, photo):
        assert_same(open_image(source), photo)
    assert not stream.closed


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_every_exif_orientation_is_turned_upright(
    photo: Image.Image, form: str, options: dict[str, object], orientation: int
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = encoded(photo, form, exif=exif, **options)
    assert_same(open_image(content), ImageOps.exif_transpose(Image.open(BytesIO(content))))
    if form != "JPEG":
        plain = Image.new("RGB", photo.size)
        plain.paste(photo)
        plain.getexif()[ORIENTATION] = orientation
        assert_same(open_image(content), ImageOps.exif_transpose(plain))


def test_opening_the_result_again_changes_nothing(photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    once = open_image(encoded(photo, "PNG", exif=exif))
    assert once.size == (40, 60)
    assert_same(open_image(once), once)


def test_an_image_passed_in_is_not_changed(photo: Image.Image) -> None:
    before = photo.tobytes()
    opened = open_image(photo)
    opened.paste((0, 0, 0), (0, 0, 60, 40))
    assert photo.tobytes() == before


def test_a_photograph_with_mangled_metadata_is_kept_as_it_lies(photo: Image.Image) -> None:
    exif = b"Exif\x00\x00MM\x00*\x00\x00\xff\xffjunk"
    assert_same(open_image(encoded(photo, "PNG", exif=exif)), photo)


def test_of_animations_and_multi_page_files_the_first_frame_is_taken(photo: Image.Image) -> None:
    second = Image.new("RGB", photo.size, "black")
    for form in ("GIF", "TIFF", "PNG", "WEBP"):
        content = encoded(photo, form, save_all=True, append_images=[second])
        assert np.asarray(open_image(content))[0, 0].tolist() == pytest.approx([255, 0, 0], abs=3)


# open_image: colour modes


@pytest.mark.parametrize(
    ("mode", "form"),
    [("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("P", "GIF"), ("LA", "PNG"), ("RGBA", "TIFF"), ("YCbCr", "TIFF")],
)
def test_modes_come_back_as_pillow_sees_them(photo: Image.Image, mode: str, form: str) -> None:
    converted = photo.convert(mode)
    assert_same(open_image(encoded(converted, form)), converted, tolerance=1)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_comes_back_in_its_colours(photo: Image.Image, form: str) -> None:
    options = {"quality": 95, "subsampling": 0} if form == "JPEG" else {}
    assert_same(open_image(encoded(photo.convert("CMYK"), form, **options)), photo, tolerance=12)


def test_transparent_parts_are_white() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert np.asarray(open_image(encoded(image, "PNG"))).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert np.asarray(open_image(half)).tolist() == [[[127] * 3]]
    grey = Image.new("LA", (1, 1), (0, 0))
    assert np.asarray(open_image(grey)).tolist() == [[[255] * 3]]


def test_transparent_palette_entries_are_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    for transparency in (1, b"\xff\x00"):
        content = encoded(image, "PNG", transparency=transparency)
        assert np.asarray(open_image(content)).tolist() == [[[255, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_images_are_scaled_not_clipped(form: str) -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    opened = open_image(encoded(Image.fromarray(values), form))
    assert np.asarray(opened)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_a_dark_sixteen_bit_image_stays_dark() -> None:
    opened = open_image(Image.fromarray(np.full((2, 2), 200, np.uint16)))
    assert np.asarray(opened).max() == 1


def test_sixteen_bit_big_endian_is_read() -> None:
    image = Image.frombytes("I;16B", (2, 1), struct.pack(">HH", 0, 65535))
    assert np.asarray(open_image(image))[0, :, 0].tolist() == [0, 255]


def twelve_bit_tiff(packed: bytes, width: int) -> bytes:
    """One row of 12-bit grey values, two to three bytes, which Pillow reads but cannot write."""
    fields = {256: width, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items())
    data = packed.ljust(8, b"\0")
    header = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    return header + data + struct.pack("<H", len(fields)) + entries + struct.pack("<I", 0)


def test_white_of_a_twelve_bit_tiff_is_4095() -> None:
    opened = open_image(twelve_bit_tiff(bytes.fromhex("fff 000 800 fff".replace(" ", "")), width=4))
    assert np.asarray(opened)[0, :, 0].tolist() == [255, 0, 128, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
        (np.array([[0, 32896, 65535]], np.int32), [0, 128, 255]),
        (np.array([[-1000, 0, 1000]], np.int32), [0, 128, 255]),
        (np.array([[0, 2**30, 2**31 - 1]], np.int32), [0, 128, 255]),
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 0.5, 100]], np.float32), [0, 0, 100]),
        (np.array([[0, 0, 65535]], np.float32), [0, 0, 255]),
        (np.array([[-1, 0, 3]], np.float32), [0, 64, 255]),
        (np.array([[7, 7, 7]], np.int32), [7, 7, 7]),
        (np.array([[-7, -7, -7]], np.int32), [0, 0, 0]),
    ],
)
def test_32_bit_and_float_images_are_scaled_to_the_smallest_usual_white(
    values: np.ndarray, expected: list[int]
) -> None:
    assert np.asarray(open_image(encoded(Image.fromarray(values), "TIFF")))[0, :, 0].tolist() == expected


def test_float_images_with_nan_are_refused() -> None:
    with pytest.raises(ImageError, match="not finite"):
        open_image(Image.fromarray(np.array([[0, np.nan]], np.float32)))


def test_a_colour_mode_without_a_way_to_rgb_is_an_image_error() -> None:
    with pytest.raises(ImageError):
        open_image(Image.new("La", (2, 2)))


# open_image: at reduced size


def smooth(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([columns * 255 // width, rows * 255 // height, rows * 0 + 90], 2).astype(np.uint8))


@pytest.mark.parametrize(
    ("at_least", "size"), [(301, (800, 600)), (300, (400, 300)), (150, (200, 150)), (75, (100, 75)), (1, (100, 75))]
)
def test_a_jpeg_keeps_at_least_the_pixels_asked_for_on_its_shorter_side(at_least: int, size: tuple[int, int]) -> None:
    opened = open_image(encoded(smooth(800, 600), "JPEG"), at_least=at_least)
    assert opened.size == size
    assert_same(opened, open_image(encoded(smooth(800, 600), "JPEG")).resize(size, Image.Resampling.BOX), tolerance=3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_jpeg_is_turned_upright_as_well(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = encoded(smooth(800, 400), "JPEG", exif=exif)
    whole, reduced = open_image(content), open_image(content, at_least=200)
    assert reduced.size == (whole.width // 2, whole.height // 2)
    assert_same(reduced, whole.resize(reduced.size, Image.Resampling.BOX), tolerance=3)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_reduced_jpeg_of_another_colour_mode_keeps_its_colours(mode: str) -> None:
    content = encoded(smooth(800, 600).convert(mode), "JPEG", quality=95)
    reduced = open_image(content, at_least=300)
    assert_same(reduced, open_image(content).resize((400, 300), Image.Resampling.BOX), tolerance=4)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "BMP"])
def test_other_formats_come_in_full_size(form: str) -> None:
    assert open_image(encoded(smooth(80, 60), form), at_least=10).size == (80, 60)


def test_an_image_that_pil_opened_is_its_file_until_it_is_decoded() -> None:
    content = encoded(smooth(800, 600), "JPEG")
    with Image.open(BytesIO(content)) as image:
        file = file_behind(image)
        assert file is not None and file.read() == content
        assert image.load() and file_behind(image) is None  # and it still decodes
    for other in (encoded(smooth(80, 60), "PNG"), encoded(smooth(80, 60), "GIF")):
        with Image.open(BytesIO(other)) as image:
            assert file_behind(image) is None
    with Image.open(BytesIO(content)) as image:
        image.draft("L", (100, 100))  # its user wants it otherwise
        assert file_behind(image) is None
    assert file_behind(smooth(8, 8)) is None


def test_a_pil_image_is_neither_reduced_nor_changed() -> None:
    with Image.open(BytesIO(encoded(smooth(800, 600), "JPEG"))) as image:
        assert open_image(image, at_least=10).size == image.size == (800, 600)


def test_the_limit_of_pixels_counts_before_the_reduction() -> None:
    with pytest.raises(ImageError, match="more than the limit"):
        open_image(encoded(smooth(800, 600), "JPEG"), max_pixels=400_000, at_least=75)


def test_a_truncated_jpeg_is_an_error_at_reduced_size_too() -> None:
    content = encoded(smooth(800, 600), "JPEG")
    with pytest.raises(ImageError, match="damaged or cut short"):
        open_image(content[: len(content) // 2], at_least=75)


def test_a_telephones_file_of_several_jpegs_is_reduced_and_its_first_picture_taken() -> None:
    content = encoded(smooth(800, 600), "MPO", save_all=True, append_images=[Image.new("RGB", (800, 600), "black")])
    opened = open_image(content, at_least=300)
    assert opened.size == (400, 300)
    assert_same(opened, open_image(content).resize((400, 300), Image.Resampling.BOX), tolerance=3)


# open_image: what cannot be read


def test_reasons_are_one_clause(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "drawing.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    for name, reason in {
        "empty.jpg": "the file is empty",
        "text.jpg": "not an image, or not one of: jpg png webp tiff bmp gif heic avif dicom",
        "drawing.jpg": "not an image, or not one of: jpg png webp tiff bmp gif heic avif dicom",
        "missing.jpg": "no such file",
        ".": "a folder, not an image file",
    }.items():
        with pytest.raises(ImageError) as caught:
            open_image(tmp_path / name)
        assert str(caught.value) == reason
    with pytest.raises(ImageError, match="the file is empty"):
        open_image(b"")
    with pytest.raises(ImageError, match="cannot be opened: file name too long"):
        open_image("x" * 5000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in the file system exist on POSIX only")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        open_file(tmp_path / "pipe.jpg")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_files_are_errors(form: str, part: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    content = encoded(noise, form)
    with pytest.raises(ImageError):
        open_image(content[: int(len(content) * part)])


def png_header_claiming(width: int, height: int) -> bytes:
    whole = bytearray(encoded(Image.new("L", (1, 1)), "PNG"))
    whole[16:24] = struct.pack(">II", width, height)
    whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    return bytes(whole)


def test_decompression_bombs_are_errors_whatever_the_warning_filters_say() -> None:
    bomb, large = png_header_claiming(60_000, 60_000), png_header_claiming(10_000, 10_000)
    for action in ("error", "ignore", "default"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            with pytest.raises(ImageError, match="too many pixels to open safely"):
                open_image(bomb)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # at half its limit Pillow only warns
        with pytest.raises(ImageError, match="too many pixels to open safely"):
            open_image(large)


def test_the_pixel_limit_is_a_setting_and_holds_when_pillow_has_none(
    photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageError, match=r"60000 x 60000 pixels \(3,600.0 megapixels\), more than the limit of 179.0"):
        open_image(png_header_claiming(60_000, 60_000))
    with pytest.raises(ImageError, match="more than the limit of"):
        open_image(photo, max_pixels=60 * 40 - 1)
    assert open_image(photo, max_pixels=60 * 40).size == (60, 40)


def test_strips_are_refused() -> None:
    assert open_image(Image.new("RGB", (1, MAX_ASPECT_RATIO))).size == (1, MAX_ASPECT_RATIO)
    with pytest.raises(ImageError, match="1 x 101 pixels, too narrow to be a photograph"):
        open_image(Image.new("RGB", (1, MAX_ASPECT_RATIO + 1)))
    with pytest.raises(ImageError, match="too narrow"):
        open_image(Image.new("RGB", (0, 5)))


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"]), st.data())
def test_a_damaged_file_is_an_rgb_image_or_an_image_error_and_nothing_else(form: str, data: st.DataObject) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = bytearray(encoded(grid(), form, **({} if form in ("BMP", "GIF") else {"exif": exif})))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert open_image(bytes(content), max_pixels=10**6).mode == "RGB"
    except ImageError as error:
        assert "\n" not in str(error)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files the Linux way")
def test_reading_never_leaves_file_handles_open(photo: Image.Image, tmp_path: Path) -> None:
    paths = []
    for form, suffix in [("JPEG", "jpg"), ("PNG", "png"), ("TIFF", "tif"), ("GIF", "gif"), ("WEBP", "webp")]:
        frames = {} if form == "JPEG" else {"save_all": True, "append_images": [photo.rotate(180)]}
        content = encoded(photo, form, **frames)
        paths += [tmp_path / f"good.{suffix}", tmp_path / f"cut.{suffix}"]
        paths[-2].write_bytes(content)
        paths[-1].write_bytes(content[: len(content) // 3])
    gc.disable()
    try:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for path in paths:
            try:
                open_image(path)
            except ImageError:
                assert path.name.startswith("cut")
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    finally:
        gc.enable()


def test_real_photographs_open_as_they_are() -> None:
    photographs = find(Path(__file__).parents[2] / "examples" / "images")
    assert 24 <= len(photographs) <= 30
    for path in photographs:
        with Image.open(path) as plain:
            assert_same(open_image(path), plain)


def test_every_photograph_has_a_name_its_path_or_its_place_in_the_list(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "b.png")
    found = named([photo, tmp_path, photo])
    assert found.names == ("image_0", str(tmp_path / "b.png"), "image_2")
    assert found.sources == [photo, tmp_path / "b.png", photo]
    assert named(photo).names == ("image_0",)
    assert named(found) is found
    with pytest.raises(ImageError, match="empty list"):
        named([])
