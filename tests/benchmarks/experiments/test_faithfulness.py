"""Covering what an answer rests on lowers it; covering something else does not."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from zsderm.benchmarks.experiments.faithfulness import DeletionTest, deletion_test
from zsderm.encoders.base import EncoderCard
from zsderm.errors import InputError, SettingsError


def _redness() -> SimpleNamespace:
    """An encoder of two dimensions: how much of the picture is red, and the rest."""

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        red = (pixels[:, 0] - pixels[:, 1]).clamp(min=0).mean(dim=(1, 2))
        return normalize(torch.stack([red, torch.full_like(red, 0.02)], dim=1), dim=1)

    def preprocess(image: Image.Image) -> torch.Tensor:
        small = image.resize((32, 32), Image.Resampling.NEAREST)
        return torch.from_numpy(np.array(small, np.float32) / 255).permute(2, 0, 1)

    return SimpleNamespace(preprocess=preprocess, encode_pixels=encode, card=EncoderCard("red", 2, 32, 8))


def _spotted(left: int, top: int) -> Image.Image:
    picture = Image.new("RGB", (64, 64), (90, 90, 90))
    picture.paste((220, 20, 20), (left, top, left + 16, top + 16))
    return picture


PICTURES = [_spotted(0, 0), _spotted(48, 0), _spotted(0, 48), _spotted(48, 48)]
PROXIES = torch.eye(2)


def test_covering_the_hottest_places_costs_more_than_any_control() -> None:
    found = deletion_test(_redness(), PICTURES, PROXIES)
    assert (found.margin > 0).all()
    for control in ("random", "other", "middle"):
        mean, low, high = found.advantage(control)
        assert 0 < low <= mean <= high, control
    np.testing.assert_allclose(found.hottest.mean() - found.random.mean(), found.advantage()[0])


def test_the_same_seed_gives_the_same_figures() -> None:
    first, second = (deletion_test(_redness(), PICTURES, PROXIES, seed=3) for _ in range(2))
    assert np.array_equal(first.random, second.random) and first.to_markdown() == second.to_markdown()


def test_the_table_says_how_many_images_and_how_sure() -> None:
    gains = np.array([0.2, 0.4])
    table = DeletionTest(np.array([0.5, 0.7]), gains, gains - 0.1, gains - 0.3, gains + 0.1).to_markdown()
    assert table.startswith("2 images, margin before: 0.600")
    assert "| random places | 0.200 | +0.100 (+0.100 to +0.100) | 100% |" in table
    assert "| the middle | 0.400 | -0.100 (-0.100 to -0.100) | 0% |" in table


def test_too_little_to_compare_is_refused() -> None:
    with pytest.raises(InputError, match="at least 2 photographs and 2 proxies, but got 1 and 2"):
        deletion_test(_redness(), PICTURES[:1], PROXIES)
    with pytest.raises(InputError, match="but got 4 and 1"):
        deletion_test(_redness(), PICTURES, PROXIES[:1])
    with pytest.raises(SettingsError, match="occlusion or patches"):
        deletion_test(_redness(), PICTURES, PROXIES, method="heat")
