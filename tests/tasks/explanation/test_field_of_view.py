"""The field of view is where a place of the encoder's input lies in the photograph, whatever preprocess does."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from zsderm.encoders.base import EncoderCard
from zsderm.errors import CheckpointError
from zsderm.tasks.explanation.field_of_view import FieldOfView, field_of_view

CARD = EncoderCard("tilted", 8, 96, 8)


def _encoder(resize_mode: str, side: int | tuple[int, int] = 96, **more: object) -> SimpleNamespace:
    settings = PreprocessCfg(size=side, resize_mode=resize_mode, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), **more)
    return SimpleNamespace(preprocess=image_transform_v2(settings, is_train=False), card=CARD)


def _expected(mode: str, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The slow obvious twin: the rule of each mode, in pixels of the photograph."""
    width, height = size
    if mode == "squash":
        return 0, 0, width, height
    side = min(size) if mode == "shortest" else max(size)
    return (width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("size", [(300, 200), (200, 300), (96, 96), (1200, 900), (40, 37), (1500, 1000)])
def test_each_way_of_resizing_is_found_out(mode: str, size: tuple[int, int]) -> None:
    found, expected = field_of_view(_encoder(mode), size), _expected(mode, size)
    sides = (found.left, found.top, found.right, found.bottom)
    tolerance = 0.01 * min(expected[2] - expected[0], expected[3] - expected[1])
    assert np.abs(np.subtract(sides, expected)).max() < tolerance, (sides, expected)


def test_an_input_that_is_not_square() -> None:
    found = field_of_view(_encoder("shortest", (96, 48)), (200, 200))
    np.testing.assert_allclose((found.left, found.top, found.right, found.bottom), (50, 0, 150, 200), atol=1.5)


@pytest.mark.parametrize("fill", [0, 255])
def test_padding_of_any_colour_is_outside_the_photograph(fill: int) -> None:
    found = field_of_view(_encoder("longest", fill_color=fill), (300, 200))
    np.testing.assert_allclose((found.left, found.top, found.right, found.bottom), (0, -50, 300, 250), atol=2)


def test_a_mirrored_input_ends_before_it_starts() -> None:
    plain = _encoder("squash")
    mirrored = SimpleNamespace(preprocess=lambda image: plain.preprocess(image).flip(-1), card=CARD)
    found = field_of_view(mirrored, (300, 200))
    np.testing.assert_allclose((found.left, found.right), (300, 0), atol=1.5)
    u, _ = found.to_input(torch.tensor([75.0]), torch.tensor([0.0]))
    assert u.item() == pytest.approx(0.75, abs=0.01)


def test_tiny_pictures_have_a_field_of_view_too() -> None:
    found = field_of_view(_encoder("shortest"), (1, 1))
    np.testing.assert_allclose((found.left, found.top, found.right, found.bottom), (0, 0, 1, 1), atol=0.01)


def test_a_spot_is_seen_where_the_field_of_view_says() -> None:
    photograph = Image.new("RGB", (300, 200), "white")
    photograph.paste("black", (190, 40, 200, 50))
    encoder = _encoder("shortest")
    dark = (-encoder.preprocess(photograph).mean(dim=0)).flatten().argmax().item()
    found = field_of_view(encoder, photograph.size)
    x, y = found.to_photograph((dark % 96 + 0.5) / 96, (dark // 96 + 0.5) / 96)
    assert 188 <= x <= 202 and 38 <= y <= 52


def test_there_and_back_is_the_same_place() -> None:
    view = FieldOfView(-10, 5, 90, 55)
    u, v = view.to_input(torch.tensor([30.0]), torch.tensor([20.0]))
    assert view.to_photograph(u.item(), v.item()) == pytest.approx((30, 20))


def test_preprocessing_that_does_more_than_resize_is_refused() -> None:
    plain = _encoder("squash")
    polar = SimpleNamespace(preprocess=lambda image: plain.preprocess(image).roll(40, dims=2), card=CARD)
    with pytest.raises(CheckpointError, match="'tilted' is more than resizing, cropping and padding"):
        field_of_view(polar, (300, 200))
