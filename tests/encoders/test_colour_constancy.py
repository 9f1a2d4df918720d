"""Shades of grey: against a twin in floating point, and on its way from a checkpoint's files to its rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from zsderm.embeddings import embed_images
from zsderm.encoders import load_encoder
from zsderm.encoders.colour_constancy import norm_of, shades_of_grey
from zsderm.encoders.export import write_unchecked
from zsderm.encoders.resolve import find_checkpoint
from zsderm.errors import CheckpointError
from zsderm.tasks.explanation.field_of_view import field_of_view

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples" / "images").iterdir())[:6]
MODE = "RGB, shades of grey 6"
TINT = np.array([0.85, 0.7, 0.45])  # the light of a warm lamp
DIM = np.full(3, 0.7)  # as strong, but white


def twin(pixels: NDArray[np.float64], norm: int) -> NDArray[np.float64]:
    """(H, W, 3) in [0, 255], pixel by pixel."""
    count = pixels.shape[0] * pixels.shape[1]
    light = [sum(float(value) ** norm for value in pixels[:, :, c].flat) / count for c in range(3)]
    light = [mean ** (1 / norm) for mean in light]
    common = (sum(strength**2 for strength in light) / 3) ** 0.5
    return np.stack([np.clip(pixels[:, :, c] * common / light[c], 0, 255) for c in range(3)], axis=2)


def photograph(path: Path = EXAMPLES[0]) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB").resize((40, 30))


def tinted(image: Image.Image, tint: NDArray[np.float64] = TINT) -> Image.Image:
    return Image.fromarray(np.rint(np.asarray(image) * tint).astype(np.uint8))


@pytest.fixture
def white(clip_folder, copy_of) -> Path:
    """The vision transformer, as if it had been trained on colours under white light."""
    return copy_of(clip_folder, preprocess_cfg={"mode": MODE})


@pytest.mark.parametrize("norm", [1, 2, 6, 12])
@pytest.mark.parametrize("path", EXAMPLES[:3], ids=lambda path: path.stem)
def test_it_is_the_twin_rounded(path: Path, norm: int) -> None:
    image = tinted(photograph(path))
    found = np.asarray(shades_of_grey(image, norm), np.float64)
    assert np.abs(found - twin(np.asarray(image, np.float64), norm)).max() <= 0.501
    assert np.abs(found - np.asarray(image)).max() > 5, "something was done"


def test_norm_1_makes_the_means_equal_and_a_large_one_the_brightest_values() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray((rng.integers(0, 256, (64, 64, 3)) * np.array([0.6, 0.5, 0.3])).astype(np.uint8))
    means = np.asarray(shades_of_grey(image, 1), np.float64).mean(axis=(0, 1))
    assert means.max() - means.min() < 1
    brightest = np.asarray(shades_of_grey(image, 200)).max(axis=(0, 1)).astype(int)
    assert brightest.max() - brightest.min() <= 3


def test_grey_images_stay_as_they_are() -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert("RGB")
    for image in (ramp, Image.new("RGB", (5, 5), "white"), photograph().convert("L").convert("RGB")):
        assert np.array_equal(shades_of_grey(image), image)


@pytest.mark.parametrize("colour", ["black", "red", (0, 9, 9)])
def test_an_image_without_light_in_a_channel_stays_as_it_is(colour: str | tuple[int, ...]) -> None:
    image = Image.new("RGB", (5, 5), colour)
    found = shades_of_grey(image)
    assert np.array_equal(found, image) and found is not image


def test_what_becomes_brighter_than_white_is_white_and_the_image_is_left_alone() -> None:
    pixels = np.full((10, 10, 3), (200, 40, 40), np.uint8)
    pixels[0, 0] = (255, 250, 255)
    image = Image.fromarray(pixels)
    assert np.asarray(shades_of_grey(image, 1))[0, 0].tolist()[1:] == [255, 255]
    assert np.array_equal(image, pixels)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_photograph_under_another_lamp_looks_nearly_the_same(path: Path) -> None:
    one, other = tinted(photograph(path), DIM), tinted(photograph(path))
    before = np.abs(np.asarray(one, float) - np.asarray(other, float)).mean()
    # What a lamp does to the colours is gone; how bright it is stays.
    one, other = (np.asarray(shades_of_grey(image), float) for image in (one, other))
    dimmed = other * one.sum() / other.sum()
    assert np.abs(one - dimmed).mean() < 0.1 * before


@pytest.mark.parametrize(
    ("mode", "norm"),
    [("RGB", 0), (MODE, 6), ("RGB, shades of grey 12", 12), ("rgb", None), ("RGB, grey", None), ("L", None)],
)
def test_a_mode_names_its_norm(mode: str, norm: int | None) -> None:
    assert norm_of(mode) == norm


@pytest.mark.parametrize("mode", ["L", "RGB, shades of green 6", "RGB, shades of grey 0", "CMYK"])
def test_a_mode_that_is_not_known_is_refused_with_a_sentence(mode: str, clip_folder, copy_of) -> None:
    with pytest.raises(CheckpointError, match=r"expected preprocess_cfg\.mode .* 'RGB, shades of grey 6' .*, but got"):
        find_checkpoint(str(copy_of(clip_folder, preprocess_cfg={"mode": mode})))


@pytest.mark.slow
def test_an_encoder_of_that_mode_sees_white_light(white: Path, clip_folder: Path) -> None:
    encoder, plain = load_encoder(white), load_encoder(clip_folder)
    for path in EXAMPLES[:3]:
        image = tinted(photograph(path))
        mean, std = (torch.tensor(values)[:, None, None] for values in ([0.5, 0.4, 0.3], [0.2, 0.25, 0.3]))
        seen = ((plain.preprocess(image) * std + mean) * 255).permute(1, 2, 0).double().numpy()  # the square of 32 px
        expected = torch.from_numpy(twin(seen.round(), 6) / 255).permute(2, 0, 1)
        assert ((encoder.preprocess(image) * std + mean) - expected).abs().max() < 0.51 / 255
    grey = photograph().convert("L").convert("RGB")
    assert torch.equal(encoder.preprocess(grey), plain.preprocess(grey))


@pytest.mark.slow
def test_the_lamp_moves_its_rows_less(white: Path, clip_folder: Path) -> None:
    def moved(folder: Path) -> float:
        encoder = load_encoder(folder)
        images = [photograph(path) for path in EXAMPLES]
        one, other = (encoder.encode_images([tinted(image, light) for image in images]) for light in (DIM, TINT))
        return float(1 - (one * other).sum(dim=1).mean())

    assert moved(white) < 0.5 * moved(clip_folder)


@pytest.mark.slow
def test_plain_open_clip_refuses_the_folder_instead_of_feeding_it_other_colours(white: Path) -> None:
    with pytest.raises(AssertionError):
        open_clip.create_model_and_transforms(f"local-dir:{white}")
    assert load_encoder(white).encode_images([photograph()]).shape == (1, 24)


@pytest.mark.slow
def test_fingerprint_and_cache_are_those_of_the_mode(white: Path, clip_folder: Path, tmp_path: Path) -> None:
    encoder, plain = load_encoder(white), load_encoder(clip_folder)
    assert encoder.fingerprint != plain.fingerprint
    rows = [embed_images(e, EXAMPLES[:2], cache=tmp_path / "cache").features for e in (encoder, plain, encoder)]
    assert not np.allclose(rows[0], rows[1], atol=1e-3), "what one has cached is not given to the other"
    np.testing.assert_allclose(rows[0], rows[2], atol=1e-6)
    path = white / "open_clip_config.json"
    path.write_text(path.read_text().replace("grey 6", "grey 12"))
    assert load_encoder(white).fingerprint not in (encoder.fingerprint, plain.fingerprint)


@pytest.mark.slow
def test_plain_rgb_said_aloud_is_plain_rgb(clip_folder: Path, copy_of) -> None:
    assert (
        load_encoder(copy_of(clip_folder, preprocess_cfg={"mode": "RGB"})).fingerprint
        == load_encoder(clip_folder).fingerprint
    )


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_exported_folder_keeps_the_mode(white: Path, tmp_path: Path, precision: str) -> None:
    (tmp_path / "out").mkdir()
    write_unchecked(str(white), tmp_path / "out", "torch", precision)
    assert json.loads((tmp_path / "out" / "open_clip_config.json").read_text())["preprocess_cfg"]["mode"] == MODE
    exported, original = load_encoder(tmp_path / "out"), load_encoder(white)
    image = tinted(photograph())
    assert torch.equal(exported.preprocess(image), original.preprocess(image))
    assert float((exported.encode_images([image]) * original.encode_images([image])).sum()) > 0.999


def test_its_facts_say_the_mode(white: Path, clip_folder: Path) -> None:
    assert find_checkpoint(str(white)).facts()["mode"] == MODE
    assert find_checkpoint(str(clip_folder)).facts()["mode"] == "RGB"


def test_a_place_of_its_input_is_found_in_the_photograph_as_ever(white: Path, clip_folder: Path) -> None:
    found, expected = (field_of_view(load_encoder(folder), (60, 40)) for folder in (white, clip_folder))
    assert found == expected
