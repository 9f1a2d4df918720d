from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from zsderm.tasks.audit.perceptual_hash import BITS, KEPT, NEARLY_EQUAL, SIDE, nearest_hashes, turned_hashes

POSITIONS = [None, *Image.Transpose]


@pytest.fixture
def picture() -> Image.Image:
    rng = np.random.default_rng(1)
    return Image.fromarray(rng.integers(0, 255, (24, 24, 3), np.uint8)).resize((200, 150), Image.Resampling.BICUBIC)


def _distance(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.unpackbits(one ^ other).sum())


def test_a_bit_is_a_frequency_above_the_median(picture: Image.Image) -> None:
    grey = np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS), float)
    low = np.array(
        [
            [
                sum(
                    grey[y, x] * np.cos(np.pi * (2 * y + 1) * u / 64) * np.cos(np.pi * (2 * x + 1) * v / 64)
                    for y in range(SIDE)
                    for x in range(SIDE)
                )
                for v in range(KEPT)
            ]
            for u in range(4)  # a quarter of the rows is proof enough
        ]
    )
    full = np.unpackbits(turned_hashes(picture)[0]).reshape(KEPT, KEPT)
    # Whether a frequency is above the median orders the frequencies: every set bit is above every unset one.
    assert low[full[:4] == 1].min() > low[full[:4] == 0].max()
    assert full.sum() == BITS // 2


@pytest.mark.parametrize("position", POSITIONS)
def test_a_mirrored_or_turned_picture_is_found_in_one_of_eight_positions(picture: Image.Image, position) -> None:
    turned = picture if position is None else picture.transpose(position)
    best = min(_distance(one, turned_hashes(picture)[0]) for one in turned_hashes(turned))
    assert best <= 4  # not 0: rounding when a turned picture is shrunk


def test_the_first_position_is_the_picture_as_it_is(picture: Image.Image) -> None:
    hashes = turned_hashes(picture)
    assert hashes.shape == (8, 32) and hashes.dtype == np.uint8
    assert turned_hashes(picture, kept=8).shape == (8, 8)
    assert all(_distance(hashes[0], other) > NEARLY_EQUAL for other in hashes[1:])


def test_another_size_quality_and_light_change_few_bits(picture: Image.Image) -> None:
    jpeg = BytesIO()
    picture.save(jpeg, "JPEG", quality=40)
    for changed in (
        picture.resize((90, 70)),
        Image.open(jpeg),
        ImageEnhance.Brightness(picture).enhance(0.85),
        picture.filter(ImageFilter.GaussianBlur(1)),
    ):
        assert _distance(turned_hashes(changed)[0], turned_hashes(picture)[0]) <= NEARLY_EQUAL


def test_other_pictures_are_far_away(picture: Image.Image) -> None:
    other = Image.fromarray(np.random.default_rng(2).integers(0, 255, (24, 24, 3), np.uint8))
    assert min(_distance(one, turned_hashes(picture)[0]) for one in turned_hashes(other)) > 2 * NEARLY_EQUAL


def test_the_nearest_hashes_equal_a_look_at_every_pair() -> None:
    rng = np.random.default_rng(0)
    stored, asked = rng.integers(0, 256, (20, 32), np.uint8), rng.integers(0, 256, (3, 8, 32), np.uint8)
    distances, rows = nearest_hashes(stored, asked, k=2)
    assert distances.shape == rows.shape == (3, 16)
    for query in range(3):
        closest = min(_distance(position, other) for position in asked[query] for other in stored)
        assert distances[query].min() == closest
    assert nearest_hashes(stored[:1], asked, k=5)[0].shape == (3, 8)
