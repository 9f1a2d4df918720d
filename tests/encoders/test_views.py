"""Views of an image: every one held against the picture turned by Pillow, one image at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from zsderm.config import VIEWS
from zsderm.encoders import load_encoder
from zsderm.encoders.export import write_unchecked
from zsderm.encoders.views import SYMMETRIES, encode_views, views_of
from zsderm.errors import SettingsError

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "images").iterdir())

# What Pillow calls the same views, in the same order.
TURNS = {0: None, 1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}


def turned(image: Image.Image, turns: int, mirrored: bool) -> Image.Image:
    transpose = TURNS[turns]
    image = image if transpose is None else image.transpose(transpose)
    return ImageOps.mirror(image) if mirrored else image


def slow_rows(encoder, images: list[Image.Image], views: int) -> torch.Tensor:
    """The twin: each square picture turned by Pillow, each view by itself, a mean taken number by number."""
    rows = []
    for image in images:
        found = [encoder.encode_images([turned(image, *how)])[0].double() for how in SYMMETRIES[:views]]
        mean = sum(found) / len(found)
        rows.append(mean / mean.norm())
    return torch.stack(rows).float()


def squares(side: int, count: int = 3) -> list[Image.Image]:
    random = np.random.default_rng(5)
    return [Image.fromarray(random.integers(0, 255, (side, side, 3), np.uint8)) for _ in range(count)]


def test_the_views_are_those_that_pillow_makes() -> None:
    """In order: as it is, mirrored, on its head, both; then the quarter turns. No two of the eight are equal."""
    (image,) = squares(5, 1)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    found = list(views_of(pixels, 8))
    for view, how in zip(found, SYMMETRIES, strict=True):
        expected = torch.from_numpy(np.array(turned(image, *how))).permute(2, 0, 1)[None]
        assert torch.equal(view, expected) and view.is_contiguous()
    assert len({view.numpy().tobytes() for view in found}) == 8
    assert torch.equal(found[3][0], pixels[0].flip(1))  # mirrored and on its head is mirrored top to bottom
    assert [len(list(views_of(pixels, views))) for views in VIEWS] == list(VIEWS)


@pytest.mark.parametrize("views", [4, 8])
def test_rows_of_several_views_equal_the_slow_twin(tiny_encoder, views: int) -> None:
    images = squares(8)
    pixels = torch.stack([tiny_encoder.preprocess(image) for image in images])
    rows = encode_views(tiny_encoder, pixels, views)
    torch.testing.assert_close(rows, slow_rows(tiny_encoder, images, views), atol=1e-6, rtol=0)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))


def test_one_view_is_to_the_bit_what_the_encoder_gives(tiny_encoder) -> None:
    pixels = torch.stack([tiny_encoder.preprocess(image) for image in squares(8)])
    assert torch.equal(encode_views(tiny_encoder, pixels, 1), tiny_encoder.encode_pixels(pixels))


def test_a_mirrored_or_turned_image_has_the_same_row(tiny_encoder) -> None:
    pixels = torch.stack([tiny_encoder.preprocess(image) for image in squares(8)])
    for views in (4, 8):
        rows = encode_views(tiny_encoder, pixels, views)
        for view in views_of(pixels, views):
            torch.testing.assert_close(encode_views(tiny_encoder, view, views), rows, atol=1e-5, rtol=0)


def test_one_view_of_one_batch_is_encoded_at_a_time(tiny_encoder) -> None:
    pixels = torch.stack([tiny_encoder.preprocess(image) for image in squares(8)])
    encode_views(tiny_encoder, pixels, 8)
    assert tiny_encoder.batch_sizes == [3] * 8


def test_quarter_turns_need_square_pixels_and_other_numbers_are_refused(tiny_encoder) -> None:
    wide = torch.zeros(1, 3, 4, 6)
    assert len(list(views_of(wide, 4))) == 4
    with pytest.raises(SettingsError, match="6 x 4 pixels"):
        list(views_of(wide, 8))
    for views in (0, 2, 3, 16):
        with pytest.raises(SettingsError, match="`views` to be one of 1, 4, 8"):
            encode_views(tiny_encoder, wide, views)


@pytest.mark.slow
def test_the_bundled_encoder_encodes_views_of_files_and_of_pictures() -> None:
    encoder = load_encoder("zsderm-mini")
    side = encoder.card.image_size
    images = squares(side, 2)
    torch.testing.assert_close(encoder.encode_images(images, views=4), slow_rows(encoder, images, 4), atol=1e-5, rtol=0)
    assert torch.equal(encoder.encode_images(EXAMPLES[:2], views=1), encoder.encode_images(EXAMPLES[:2]))
    assert not torch.equal(encoder.encode_images(EXAMPLES[:2], views=8), encoder.encode_images(EXAMPLES[:2]))
    with pytest.raises(SettingsError, match="`views`"):
        encoder.encode_images([], views=3)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "precision"), [("torch", "fp32"), ("onnx", "fp32")])
def test_engines_encode_views_too(clip_folder: Path, tmp_path: Path, engine: str, precision: str) -> None:
    if engine == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    (tmp_path / "exported").mkdir()
    original = write_unchecked(str(clip_folder), tmp_path / "exported", engine, precision)
    exported = load_encoder(tmp_path / "exported")
    images = squares(original.card.image_size, 2)
    expected = slow_rows(original, images, 8)
    for encoder in (original, exported):
        torch.testing.assert_close(encoder.encode_images(images, views=8), expected, atol=1e-4, rtol=0)
    assert not torch.allclose(expected, original.encode_images(images), atol=1e-3)
