"""The overlay shows heat in colour, its absence in grey, and what is not seen in the dark."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm.tasks.explanation.field_of_view import FieldOfView
from zsderm.tasks.explanation.heat_map import HeatMap
from zsderm.tasks.explanation.heat_picture import overlay, pair

PHOTOGRAPH = Image.new("RGB", (200, 100), (180, 180, 180))


def _heat(values: list[list[float]]) -> HeatMap:
    return HeatMap(torch.tensor(values), FieldOfView(50, 0, 150, 100), (200, 100))


def test_the_winner_is_orange_the_runner_up_purple_and_nothing_grey() -> None:
    shown = np.asarray(overlay(PHOTOGRAPH, _heat([[1.0, 0.0, -1.0]] * 3), 400)).astype(int)  # (200, 400, 3)
    orange, grey, purple = shown[100, 120], shown[100, 200], shown[100, 280]
    assert orange[0] > orange[2] + 60 and purple[2] > purple[1] + 40
    assert np.ptp(grey) <= 6 and abs(grey.mean() - 180) <= 6


def test_what_the_encoder_does_not_see_is_dark() -> None:
    shown = np.asarray(overlay(PHOTOGRAPH, _heat([[0.0, 0.0], [0.0, 0.0]]), 400)).astype(int)
    assert shown[:, :98].max() < 80 and shown[:, 302:].max() < 80 and shown[:, 104:296].min() > 170


def test_a_map_of_zeros_is_the_grey_photograph() -> None:
    heat = HeatMap(torch.zeros(2, 2), FieldOfView(0, 0, 200, 100), (200, 100))
    assert np.ptp(np.asarray(overlay(PHOTOGRAPH, heat, 200))) == 0


@pytest.mark.parametrize("size", [(30, 20), (200, 100), (5, 300)])
def test_the_overlay_has_the_shape_of_the_photograph(size: tuple[int, int]) -> None:
    photograph = Image.new("RGB", size, "pink")
    heat = HeatMap(torch.ones(2, 2), FieldOfView(0, 0, *size), size)
    shown = overlay(photograph, heat, 128)
    assert max(shown.size) == 128 and shown.mode == "RGB" and photograph.size == size


def test_the_pair_says_which_colour_is_which_class_and_how_strong_it_is() -> None:
    heat = _heat([[0.25, -0.1]])
    plain, other = pair(PHOTOGRAPH, heat, "melanoma", "nevus", 300), pair(PHOTOGRAPH, heat, "melanoma", "wart", 300)
    below = (0, 150 + 2 * 12, *plain.size)
    assert np.asarray(plain.crop(below)).min() < 60, "there is ink below the pictures"
    assert np.any(np.asarray(plain) != np.asarray(other)), "the names are in it"
    weaker = pair(PHOTOGRAPH, _heat([[0.125, -0.05]]), "melanoma", "nevus", 300)
    assert np.any(np.asarray(plain) != np.asarray(weaker)), "the scale is in it"
    assert plain.width == 2 * 300 + 3 * 12


def test_long_names_are_wrapped_and_a_missing_runner_up_is_left_out() -> None:
    heat = _heat([[0.25, -0.1]])
    short = pair(PHOTOGRAPH, heat, "nevus", "wart", 120)
    long = pair(PHOTOGRAPH, heat, "actinic keratosis / intraepithelial carcinoma", "benign keratosis-like lesion", 120)
    assert long.height > short.height
    assert pair(PHOTOGRAPH, heat, "nevus", "", 300).size[0] == 636
