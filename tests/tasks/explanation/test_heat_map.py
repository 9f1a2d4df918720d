"""Heat is where the class was found: it moves with the lesion, and lies in the right place of the photograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from open_clip.model import CLIP
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize

from zsderm.encoders import load_encoder
from zsderm.encoders.base import EncoderCard
from zsderm.errors import CheckpointError, SettingsError
from zsderm.images import open_image
from zsderm.tasks.explanation.field_of_view import FieldOfView
from zsderm.tasks.explanation.heat_map import HEAT_METHODS, HeatMap, covered, heat_map, occlusion_map, patch_map

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
SKIN, LESION = (225, 185, 165), (60, 20, 10)
TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}


class SmallTower:
    """A random convolutional tower of open_clip: untrained, but what it sees it sees in place."""

    card = EncoderCard("small", 16, 96, 8)

    def __init__(self) -> None:
        torch.manual_seed(0)
        vision = {"timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj": "linear", "image_size": 96}
        self.model = CLIP(embed_dim=16, vision_cfg=vision, text_cfg=TEXT).eval().requires_grad_(False)
        settings = PreprocessCfg(size=96, mean=(0.5,) * 3, std=(0.5,) * 3, resize_mode="shortest")
        self.preprocess = image_transform_v2(settings, is_train=False)

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        return normalize(self.model.encode_image(pixels), dim=1)


@pytest.fixture(scope="module")
def encoder() -> SmallTower:
    return SmallTower()


def _photograph(left: int, top: int, size: tuple[int, int] = (240, 240), side: int = 60) -> Image.Image:
    photograph = Image.new("RGB", size, SKIN)
    photograph.paste(LESION, (left, top, left + side, top + side))
    return photograph


def _towards(encoder, photograph: Image.Image) -> Tensor:
    """What the lesion adds to the feature: the proxy of a class that only the lesion speaks for."""
    blank = Image.new("RGB", photograph.size, SKIN)
    with_it, without = encoder.encode_pixels(torch.stack([encoder.preprocess(photograph), encoder.preprocess(blank)]))
    return normalize(with_it - without, dim=0)


@pytest.mark.parametrize("method", HEAT_METHODS)
@pytest.mark.parametrize(("left", "top"), [(30, 30), (150, 30), (90, 150)])
def test_the_heat_moves_with_the_lesion(encoder, method: str, left: int, top: int) -> None:
    photograph = _photograph(left, top)
    heat = heat_map(encoder, photograph, _towards(encoder, photograph), method=method)
    x, y = heat.hottest
    assert left - 20 <= x <= left + 80 and top - 20 <= y <= top + 80, (x, y)


@pytest.mark.parametrize("method", HEAT_METHODS)
@pytest.mark.parametrize(("size", "left", "top"), [((480, 240), 300, 90), ((240, 480), 90, 130)])
def test_on_a_long_photograph_the_crop_is_allowed_for(encoder, method: str, size, left: int, top: int) -> None:
    photograph = _photograph(left, top, size)
    heat = heat_map(encoder, photograph, _towards(encoder, photograph), method=method)
    laid = heat.on_photograph(*size)
    row, column = divmod(int(laid.nan_to_num(-9).argmax()), size[0])
    assert left - 20 <= column <= left + 80 and top - 20 <= row <= top + 80
    unseen = laid.isnan()
    assert unseen.float().mean() == pytest.approx(0.5, abs=0.02), "half of the photograph is cropped away"
    assert not unseen[size[1] // 2, size[0] // 2] and unseen[0, 0] and unseen[-1, -1]


@pytest.mark.slow
def test_the_bundled_encoder_follows_a_lesion_from_left_to_right() -> None:
    """Real skin, and the direction that users see: a painted square is no lesion to an encoder of photographs."""
    encoder, names = load_encoder("zsderm-mini"), (EXAMPLES / "classes.txt").read_text().split("\n")
    proxies = encoder.encode_texts([f"This is a photo of {name}." for name in names if name])
    photograph = open_image(EXAMPLES / "images" / "PAT_1216_759_542.jpg")  # the lesion lies in the middle
    side = photograph.width * 2 // 3
    hottest = []
    for left in (photograph.width - side, 0):  # of a square that has the lesion at its left, then at its right
        square = photograph.crop((left, side // 4, left + side, side // 4 + side))
        winner, other = (encoder.encode_images([square]) @ proxies.T)[0].topk(2).indices
        hottest.append(heat_map(encoder, square, proxies[winner] - proxies[other]).hottest[0])
    assert hottest[0] < side / 2 < hottest[1]


@pytest.mark.slow
def test_a_mirrored_photograph_has_a_mirrored_map(encoder) -> None:
    """Exact for an encoder that is mirrored as well; here by covering, which treats left and right alike."""

    class Mirrored(SmallTower):
        def encode_pixels(self, pixels: Tensor) -> Tensor:
            return super().encode_pixels(pixels.flip(-1))

    photograph = _photograph(30, 90)
    towards, pixels = _towards(encoder, photograph), encoder.preprocess(photograph)
    torch.testing.assert_close(
        occlusion_map(Mirrored(), pixels.flip(-1), towards), occlusion_map(encoder, pixels, towards).flip(-1)
    )


@pytest.mark.slow
def test_occlusion_equals_covering_one_square_after_another(encoder) -> None:
    photograph = _photograph(30, 90)
    towards, pixels = _towards(encoder, photograph), encoder.preprocess(photograph)
    total, count = np.zeros((8, 8)), np.zeros((8, 8))
    before = float(encoder.encode_pixels(pixels[None])[0] @ towards)
    blurred = covered(pixels, torch.ones(1, 8, 8))[0]
    for row in range(7):
        for column in range(7):
            shown = pixels.clone()
            place = (slice(None), slice(12 * row, 12 * row + 24), slice(12 * column, 12 * column + 24))
            shown[place] = blurred[place]
            fall = before - float(encoder.encode_pixels(shown[None])[0] @ towards)
            total[row : row + 2, column : column + 2] += fall
            count[row : row + 2, column : column + 2] += 1
    found = occlusion_map(encoder, pixels, towards)
    np.testing.assert_allclose(found.numpy(), total / count, atol=1e-5)


def test_covering_nothing_changes_nothing_and_covering_all_leaves_no_detail(encoder) -> None:
    pixels = encoder.preprocess(_photograph(30, 90))
    nothing, everything = covered(pixels, torch.stack([torch.zeros(8, 8), torch.ones(8, 8)]))
    assert torch.equal(nothing, pixels)
    assert everything.std() < pixels.std() / 1.5 and abs(everything.mean() - pixels.mean()) < 0.05


def test_where_the_tower_pools_by_the_mean_patches_add_up_to_the_cosine(encoder) -> None:
    """Each patch adds its value; on an even picture no shift changes anything."""
    pixels = encoder.preprocess(Image.new("RGB", (96, 96), SKIN))
    towards = normalize(torch.arange(16.0), dim=0)
    found = patch_map(encoder, pixels, towards)
    assert found.shape == (6, 6)
    whole = float(encoder.encode_pixels(pixels[None])[0] @ towards)
    assert float(found.mean()) == pytest.approx(whole, abs=0.05)


def test_both_methods_leave_their_input_unchanged(encoder) -> None:
    pixels, towards = encoder.preprocess(_photograph(30, 90)), torch.ones(16)
    before = pixels.clone()
    occlusion_map(encoder, pixels, towards)
    patch_map(encoder, pixels, towards)
    assert torch.equal(pixels, before) and torch.equal(towards, torch.ones(16))


def test_occlusion_needs_no_patch_features(tiny_encoder, photo) -> None:
    heat = heat_map(tiny_encoder, photo, torch.ones(32))
    assert heat.values.shape == (8, 8) and heat.values.isfinite().all()
    with pytest.raises(CheckpointError, match="none for its patches"):
        heat_map(tiny_encoder, photo, torch.ones(32), method="patches")


def test_an_unknown_method_is_refused(tiny_encoder, photo) -> None:
    with pytest.raises(SettingsError, match=r"by occlusion or patches, but got 'patch'\. Did you mean 'patches'"):
        heat_map(tiny_encoder, photo, torch.ones(32), method="patch")


def test_a_map_is_laid_where_its_field_of_view_is() -> None:
    values = torch.zeros(4, 4)
    values[0, 3] = 1.0  # upper right
    heat = HeatMap(values, FieldOfView(50, 0, 150, 100), (200, 100))
    laid = heat.on_photograph(400, 200)
    assert laid.isnan()[:, :99].all() and laid.isnan()[:, 301:].all() and not laid.isnan()[:, 101:299].any()
    row, column = np.argwhere((laid.nan_to_num(-1) == laid.nan_to_num(-1).max()).numpy()).mean(axis=0)
    assert column > 270 and row < 30
    assert heat.hottest == pytest.approx((137.5, 12.5)) and heat.scale == 1.0


def test_padding_lies_outside_and_leaves_no_gap() -> None:
    heat = HeatMap(torch.ones(2, 2), FieldOfView(0, -50, 200, 150), (200, 100))
    torch.testing.assert_close(heat.on_photograph(20, 10), torch.ones(10, 20))
