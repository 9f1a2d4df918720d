"""Effects against slow twins: Pillow's resampling and JPEG, and loops over pixels for everything else."""

from __future__ import annotations

import dataclasses
import io
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from zsderm.pretrain.config import Augmentation
from zsderm.pretrain.data.augmentation import (
    COLOURS,
    COLUMNS,
    CONTRAST,
    CROP,
    FACTOR,
    GREY,
    HAIR,
    HAIRS,
    MIRRORED,
    QUALITY,
    SIDE,
    TURNED,
    VIGNETTE,
    apply_effects,
    draw_effects,
    jpeg,
    resampling,
)

EXAMPLE = sorted((Path(__file__).parents[3] / "examples" / "images").iterdir())[3]
NONE = Augmentation(crop_scale=(1.0, 1.0), jitter_probability=0.0)
ALL = Augmentation(
    crop_scale=(0.35, 1.0),
    quarter_turns=True,
    jitter_probability=1.0,
    grey_probability=0.3,
    white_balance=0.2,
    resolution=(10.0, 30.0),
    resolution_probability=0.5,
    jpeg_probability=0.5,
    vignette_probability=0.5,
    hair_probability=0.5,
)
GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    return Image.open(EXAMPLE).convert("RGB").resize((80, 80))


def tensor_of(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)  # (3, H, W)


def drawn(settings: Augmentation, count: int, aspect: float = 1.0) -> Tensor:
    return torch.stack([draw_effects(settings, seed, aspect) for seed in range(count)])


def upright(**changes: object) -> Tensor:
    """A row of effects of the whole image as it is, with some columns set."""
    row = torch.zeros(COLUMNS)
    row[CROP] = torch.tensor([0.0, 0.0, 1.0, 1.0])
    row[COLOURS], row[FACTOR], row[CONTRAST] = torch.eye(3).flatten(), 1.0, 1.0
    columns = {"crop": CROP, "mirrored": MIRRORED, "side": SIDE, "colours": COLOURS, "factor": FACTOR}
    columns |= {"contrast": CONTRAST, "quality": QUALITY, "vignette": VIGNETTE, "hair": HAIR}
    for name, value in changes.items():
        row[columns[name]] = torch.as_tensor(value, dtype=torch.float32)
    return row[None]


def noise(count: int, side: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, side, side), generator=random, dtype=torch.uint8, device="cpu")


# Crop, mirror and resolution


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((3.3, 4.2, 66.1, 48.9), (20, 16)),  # smaller
        ((10.2, 5.0, 20.7, 12.5), (64, 48)),  # larger
        ((0.0, 0.0, 70.0, 50.0), (35, 99)),  # smaller one way, larger the other
        ((0.0, 0.0, 70.0, 50.0), (70, 50)),  # as it is
    ],
)
def test_the_matrices_resample_as_pillow_does(box: tuple[float, ...], size: tuple[int, int], mirrored: bool) -> None:
    lines = np.random.default_rng(0).random((50, 70)).astype(np.float32)
    expected = Image.fromarray(lines).resize(size, Image.Resampling.BILINEAR, box=box)
    ends = torch.tensor(box) / torch.tensor([70, 50, 70, 50])
    left, top, right, bottom = (end[None] for end in ends)
    if mirrored:
        left, right = right, left
        expected = expected.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    across = resampling(left, right, 70, size[0], torch.zeros(1))[0]
    down = resampling(top, bottom, 50, size[1], torch.zeros(1))[0]
    assert across.shape == (size[0], 70) and down.shape == (size[1], 50)
    torch.testing.assert_close(across.sum(dim=1), torch.ones(size[0]))
    torch.testing.assert_close(
        down @ torch.from_numpy(lines) @ across.T, torch.from_numpy(np.array(expected)), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("size", [24, 80, 150])
@pytest.mark.parametrize("mirrored", [0.0, 1.0])
def test_a_crop_is_that_of_pillow_within_a_grey_level(photograph: Image.Image, size: int, mirrored: float) -> None:
    box = (10.5, 20.0, 70.2, 63.3)
    effects = upright(crop=torch.tensor(box) / 80, mirrored=mirrored)
    expected = photograph.resize((size, size), Image.Resampling.BILINEAR, box=box)
    if mirrored:
        expected = expected.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    found = apply_effects(tensor_of(photograph)[None], effects, size)[0]
    assert found.shape == (3, size, size) and found.dtype == torch.float32
    assert (found - tensor_of(expected) / 255).abs().max() <= 1.01 / 255, "Pillow rounds twice, by half a level each"


@pytest.mark.parametrize("size", [40, 80])
def test_a_lower_resolution_is_near_to_reducing_and_enlarging(photograph: Image.Image, size: int) -> None:
    small = photograph.resize((20, 20), Image.Resampling.BILINEAR)
    expected = tensor_of(small.resize((size, size), Image.Resampling.BILINEAR)) / 255
    squares = tensor_of(photograph)[None]
    soft, sharp = (apply_effects(squares, upright(side=side), size)[0] for side in (20.0, 0.0))
    assert (soft - expected).abs().mean() < 0.5 * (sharp - expected).abs().mean()
    finer = apply_effects(squares, upright(side=2.0 * size), size)[0]
    assert torch.equal(finer, sharp), "more pixels than there are change nothing"


@pytest.mark.parametrize("turns", [False, True])
def test_quarter_turns_show_a_picture_in_all_eight_ways_and_mirrors_alone_in_four(turns: bool) -> None:
    corners = torch.tensor([[10, 60], [120, 240]], dtype=torch.uint8).repeat_interleave(8, 0).repeat_interleave(8, 1)
    effects = drawn(dataclasses.replace(NONE, quarter_turns=turns), 60)
    shown = apply_effects(corners.expand(60, 3, 16, 16), effects, 16)[:, 0, ::15, ::15] * 255  # (60, 2, 2)
    ways = {tuple(picture.round().int().flatten().tolist()) for picture in shown}
    plain = [torch.tensor([[10, 60], [120, 240]]).rot90(times) for times in ((0, 1, 2, 3) if turns else (0, 2))]
    assert ways == {tuple(way.flatten().tolist()) for one in plain for way in (one, one.flip(1))}
    assert len(ways) == (8 if turns else 4)


@pytest.mark.parametrize("aspect", [0.5, 0.7, 1.0, 1.5, 3.0])
def test_crops_stay_inside_and_keep_the_proportions_of_the_photograph(aspect: float) -> None:
    settings = dataclasses.replace(NONE, crop_scale=(0.4, 0.8), quarter_turns=True)
    crops = drawn(settings, 200, aspect)[:, CROP]
    assert crops.min() >= 0 and crops.max() <= 1
    width, height = (crops[:, 2] - crops[:, 0]).abs(), (crops[:, 3] - crops[:, 1]).abs()
    proportions = width * aspect / height
    assert proportions.min() >= 0.749 and proportions.max() <= 1.334, "as RandomResizedCrop: from 3:4 to 4:3"
    if 0.6 < aspect < 1.6:  # a longer photograph has no room for such a crop, so it is the largest square
        assert (width * height).min() >= 0.399 and (width * height).max() <= 0.801
        assert proportions.std() > 0.1 and (width * height).std() > 0.05
    assert len({(round(float(x), 4), round(float(y), 4)) for x, y in crops[:, :2]}) > 50, "crops lie everywhere"


# Colours


def loop(squares: Tensor, colour_of: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    """Each pixel of (3, S, S) uint8 by itself, as (3, S, S) in [0, 1]."""
    pixels = squares.permute(1, 2, 0).double().numpy() / 255
    found = [[np.clip(colour_of(pixel), 0, 1) for pixel in row] for row in pixels]
    return torch.from_numpy(np.array(found)).permute(2, 0, 1).float()


def grey_of(pixel: np.ndarray) -> float:
    return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]


def effects_of(**settings: object) -> Tensor:
    """A drawn row, with the image upright."""
    row = draw_effects(dataclasses.replace(NONE, **settings), seed=3)
    row[CROP], row[MIRRORED], row[TURNED] = torch.tensor([0.0, 0.0, 1.0, 1.0]), 0.0, 0.0
    return row[None]


def check_pixels(effects: Tensor, colour_of: Callable[[np.ndarray], np.ndarray]) -> None:
    squares = noise(1, 8)
    found = apply_effects(squares, effects, 8)[0]
    torch.testing.assert_close(found, loop(squares[0], colour_of), atol=1e-5, rtol=0)
    assert (found - squares[0] / 255).abs().max() > 0.01, "something was done"


def test_brightness_multiplies_every_pixel() -> None:
    effects = effects_of(jitter=(0.5, 0.0, 0.0, 0.0), jitter_probability=1.0)
    factor = float(effects[0, FACTOR])
    assert 0.5 <= factor <= 1.5 and factor != 1
    check_pixels(effects, lambda pixel: pixel * factor)


def test_contrast_spreads_around_the_mean_grey_of_the_crop() -> None:
    effects = effects_of(jitter=(0.0, 0.5, 0.0, 0.0), jitter_probability=1.0)
    contrast = float(effects[0, CONTRAST])
    assert 0.5 <= contrast <= 1.5 and contrast != 1
    pixels = noise(1, 8)[0].double().numpy() / 255
    mean = np.mean([grey_of(pixels[:, y, x]) for y in range(8) for x in range(8)])
    check_pixels(effects, lambda pixel: mean + contrast * (pixel - mean))


def test_saturation_moves_each_pixel_away_from_its_own_grey() -> None:
    effects = effects_of(jitter=(0.0, 0.0, 0.5, 0.0), jitter_probability=1.0)
    saturation = float(effects[0, COLOURS][0] - effects[0, COLOURS][3])  # what red keeps of itself
    assert 0.5 <= saturation <= 1.5 and abs(saturation - 1) > 0.01
    check_pixels(effects, lambda pixel: grey_of(pixel) + saturation * (pixel - grey_of(pixel)))


def test_hue_turns_each_pixel_around_the_grey_axis() -> None:
    effects = effects_of(jitter=(0.0, 0.0, 0.0, 0.1), jitter_probability=1.0)
    across, up = np.array([1, -1, 0]) / math.sqrt(2), np.array([1, 1, -2]) / math.sqrt(6)  # at right angles to grey
    matrix = effects[0, COLOURS].double().numpy().reshape(3, 3)
    angle = math.atan2(up @ matrix @ across, across @ matrix @ across)
    assert 0.01 < abs(angle) <= 2 * math.pi * 0.1

    def turned(pixel: np.ndarray) -> np.ndarray:
        x, y = across @ pixel, up @ pixel
        x, y = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
        return pixel.mean() + x * across + y * up

    check_pixels(effects, turned)


def test_white_balance_multiplies_each_channel_by_a_factor_of_its_own() -> None:
    effects = effects_of(white_balance=0.3)
    gains = effects[0, COLOURS].double().numpy()[[0, 4, 8]]
    check_pixels(effects, lambda pixel: pixel * gains)
    logs = drawn(dataclasses.replace(NONE, white_balance=0.3), 400)[:, COLOURS][:, [0, 4, 8]].log()
    assert logs.mean().abs() < 0.03 and 0.27 < logs.std() < 0.33
    assert torch.corrcoef(logs.T)[0, 1].abs() < 0.2


def test_grey_leaves_the_luma_alone() -> None:
    check_pixels(effects_of(grey_probability=1.0), lambda pixel: np.full(3, grey_of(pixel)))
    jitter = {"jitter": (0.3, 0.3, 0.3, 0.1), "jitter_probability": 1.0, "white_balance": 0.2}
    red, green, blue = apply_effects(noise(1, 8), effects_of(grey_probability=1.0, **jitter), 8)[0]
    torch.testing.assert_close(red, green)
    torch.testing.assert_close(red, blue)


def test_all_of_a_camera_is_done_in_order() -> None:
    row = effects_of(jitter=(0.3, 0.3, 0.3, 0.1), jitter_probability=1.0, white_balance=0.2)
    factor, contrast = float(row[0, FACTOR]), float(row[0, CONTRAST])
    matrix = row[0, COLOURS].double().numpy().reshape(3, 3)
    pixels = noise(1, 8)[0].double().numpy() / 255 * factor
    mean = np.mean([grey_of(pixels[:, y, x]) for y in range(8) for x in range(8)])
    check_pixels(row, lambda pixel: matrix @ (mean + contrast * (pixel * factor - mean)))


# Compression, vignette, hair


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 90, 95])
def test_jpeg_leaves_the_marks_that_pillow_leaves(photograph: Image.Image, quality: int) -> None:
    def saved(image: Image.Image) -> Tensor:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return tensor_of(Image.open(stream).convert("RGB")) / 255

    for picture, near in ((photograph, 0.65), (photograph.convert("L").convert("RGB"), 0.4)):
        before = tensor_of(picture) / 255
        expected = saved(picture if near > 0.5 else picture.convert("L"))
        found = jpeg(before[None], torch.tensor([float(quality)]))[0]
        assert (found - expected).abs().mean() < near * (before - expected).abs().mean()
    # Grey pixels have no colours to enlarge again, where libjpeg interpolates and we repeat.
    assert ((found - expected).abs() < 1.01 / 255).float().mean() > 0.9


@pytest.mark.parametrize("side", [8, 24, 37])
def test_jpeg_takes_any_size_and_each_image_has_its_own_quality(side: int) -> None:
    pixels = noise(3, side) / 255
    found = jpeg(pixels, torch.tensor([10.0, 50.0, 95.0]))
    assert found.shape == pixels.shape and found.min() >= 0 and found.max() <= 1
    lost = (found - pixels).abs().mean(dim=(1, 2, 3))
    assert lost[0] > lost[1] > lost[2] > 0
    for image, quality, together in zip(pixels, (10.0, 50.0, 95.0), found, strict=True):
        torch.testing.assert_close(jpeg(image[None], torch.tensor([quality]))[0], together, atol=1e-6, rtol=0)


def test_a_vignette_darkens_what_lies_outside_of_its_circle_and_nothing_else() -> None:
    rows = drawn(dataclasses.replace(NONE, vignette_probability=1.0), 12)
    white = torch.full((12, 3, 24, 24), 255, dtype=torch.uint8)
    found = apply_effects(white, rows, 24)
    corners = found[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]  # (12, 4)
    assert (corners.min(dim=1).values < 0.05).all(), "the corner that is farthest is black"
    for picture, (x, y, radius) in zip(found, rows[:, VIGNETTE].tolist(), strict=True):
        assert 0.4 <= x <= 0.6 and 0.4 <= y <= 0.6 and 0.45 <= radius <= 0.65
        places = [((column + 0.5) / 24, (row + 0.5) / 24) for row in range(24) for column in range(24)]
        light = [1 / (1 + math.exp(80 * (math.dist(place, (x, y)) - radius))) for place in places]
        torch.testing.assert_close(picture[0].flatten(), torch.tensor(light), atol=1e-4, rtol=0)
    assert (found[:, :, 8:16, 8:16] > 0.99).all(), "the middle is as it was"


def test_hairs_are_thin_dark_arcs() -> None:
    rows = drawn(dataclasses.replace(NONE, hair_probability=1.0), 12)
    white = torch.full((12, 3, 64, 64), 255, dtype=torch.uint8)
    found = apply_effects(white, rows, 64)
    assert torch.equal(found[:, 0], found[:, 1]) and torch.equal(found[:, 0], found[:, 2])
    numbers = set()
    for picture, hairs in zip(found[:, 0], rows[:, HAIR].reshape(12, HAIRS, 4).tolist(), strict=True):
        present = [hair for hair in hairs if hair[3] > 0]
        numbers.add(len(present))
        dark = (picture < 0.7).nonzero().tolist()
        assert 0 < len(dark) < 0.03 * len(present) * 64 * 64, "each covers little"
        for row, column in dark:
            place = ((column + 0.5) / 64, (row + 0.5) / 64)
            beside = [abs(math.dist(place, (x, y)) - radius) - width for x, y, radius, width in present]
            assert min(beside) < 0.004
        for row, column in ((5, 9), (30, 31), (60, 2)):
            place, light = ((column + 0.5) / 64, (row + 0.5) / 64), 1.0
            for x, y, radius, width in present:
                beside = abs(math.dist(place, (x, y)) - radius)
                light *= 1 - 0.8 / (1 + math.exp((beside - width) / 0.002))
            assert picture[row, column] == pytest.approx(light, abs=1e-3)
    assert numbers <= set(range(1, HAIRS + 1)) and len(numbers) > 2


# Draws and batches


def test_effects_depend_on_the_seed_alone() -> None:
    before = torch.get_rng_state()
    first = drawn(ALL, 20)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    assert torch.equal(first, drawn(ALL, 20)) and len({tuple(row.tolist()) for row in first}) == 20
    assert first.shape == (20, COLUMNS) and first.dtype == torch.float32
    torch.set_rng_state(before)
    draw_effects(ALL, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("setting", "column"),
    [
        ("resolution_probability", SIDE),
        ("jpeg_probability", QUALITY),
        ("vignette_probability", VIGNETTE.stop - 1),
        ("hair_probability", HAIR.start + 3),
    ],
)
def test_an_effect_occurs_as_often_as_its_setting_says(setting: str, column: int) -> None:
    shares = [
        float((drawn(dataclasses.replace(NONE, **{setting: p}), 200)[:, column] > 0).float().mean())
        for p in (0.0, 0.3, 1.0)
    ]
    assert shares[0] == 0 and 0.2 < shares[1] < 0.4 and shares[2] == 1


def test_drawn_strengths_stay_in_their_ranges() -> None:
    rows = drawn(dataclasses.replace(ALL, resolution_probability=1.0, jpeg_probability=1.0), 200)
    for column, low, high in ((SIDE, 10.0, 30.0), (QUALITY, 30.0, 95.0)):
        assert low <= rows[:, column].min() < low + 2 and high - 2 < rows[:, column].max() <= high
    assert rows[:, FACTOR].min() >= 0.7 and rows[:, FACTOR].max() <= 1.3


def test_without_settings_an_image_stays_as_it_is() -> None:
    squares = noise(1, 16)
    torch.testing.assert_close(apply_effects(squares, upright(), 16), squares / 255, atol=1e-6, rtol=0)


def test_a_batch_is_each_image_by_itself() -> None:
    squares, effects = noise(8, 24), drawn(ALL, 8)
    assert 0 < (effects[:, QUALITY] > 0).sum() < 8
    batch = apply_effects(squares, effects, 20)
    each = torch.cat([apply_effects(squares[n : n + 1], effects[n : n + 1], 20) for n in range(8)])
    uncompressed = effects[:, QUALITY] == 0
    torch.testing.assert_close(batch[uncompressed], each[uncompressed], atol=1e-5, rtol=0)
    assert (batch - each).abs().mean() < 1e-3, "a coefficient of JPEG may be rounded the other way"


def test_bytes_and_numbers_are_taken_alike_and_left_alone() -> None:
    squares, effects = noise(4, 24), drawn(ALL, 4)
    numbers = squares / 255
    kept = numbers.clone()
    found = apply_effects(squares, effects, 16)
    torch.testing.assert_close(apply_effects(numbers, effects, 16), found)
    assert torch.equal(numbers, kept), "arguments are never changed"
    assert (apply_effects(numbers.half(), effects, 16) - found).abs().mean() < 0.01
    assert found.min() >= 0 and found.max() <= 1


def test_a_batch_without_images_is_one_without_images() -> None:
    assert apply_effects(noise(0, 16), torch.zeros(0, COLUMNS), 12).shape == (0, 3, 12, 12)


# Devices: as in tests/pretrain/losses/test_on_a_device.py


def test_nothing_is_made_without_saying_where() -> None:
    squares, effects = noise(8, 24), drawn(ALL, 8)
    expected = apply_effects(squares, effects, 20)
    with torch.device("meta"):
        found = apply_effects(squares, effects, 20)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("device", [GPU])
def test_a_gpu_gives_the_same(device: str) -> None:
    squares, effects = noise(8, 24), drawn(ALL, 8)
    found = apply_effects(squares.to(device), effects, 20)
    assert found.device.type == device
    assert (found.cpu() - apply_effects(squares, effects, 20)).abs().mean() < 1e-3


def test_luma_and_grey_have_one_weight() -> None:
    assert sum(GREY) == pytest.approx(1.0)
