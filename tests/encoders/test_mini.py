"""The bundled encoder. The canonical values are what the weights gave when they were made: a change of theirs, of the
preprocessing or of the tokenizer shows here first. When new weights are bundled on purpose, the failing test prints the
values to put in."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from zsderm.encoders import load_encoder, mini
from zsderm.errors import CheckpointError

CANONICAL_SENTENCE = "a brown macule with an irregular border"
# The first eight values, of canonical_image below and of the sentence above.
CANONICAL_IMAGE = (0.00824, 0.01666, 0.00901, 0.0092, -0.01579, 0.00177, 0.01494, 0.00953)
CANONICAL_TEXT = (0.04879, 0.04869, -0.01876, -0.07461, -0.00946, -0.07689, -0.06183, -0.08733)
TOLERANCE = 2e-4  # between processors and versions of torch; the values themselves are around 0.01 and 0.05


def canonical_image() -> Image.Image:
    """A dark disc on a skin-coloured gradient, 240 x 200, the same on every machine."""
    rows, columns = np.mgrid[0:200, 0:240].astype(np.float64)
    shade = columns[..., None] / 240 * np.array([30, 40, 50])
    pixels = np.array([225, 180, 150]) - shade
    pixels[(rows - 100) ** 2 + (columns - 120) ** 2 < 60**2] = (90, 55, 40)
    return Image.fromarray(pixels.round().astype(np.uint8))


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(mini.NAME)


def check_canonical(row: torch.Tensor, expected: tuple[float, ...]) -> None:
    values = tuple(round(value, 5) for value in row[:8].tolist())
    assert len(expected) == 8, f"no canonical values yet; these weights give {values}"
    assert values == pytest.approx(expected, abs=TOLERANCE)


def test_the_canonical_image_gives_the_canonical_values(encoder):
    check_canonical(encoder.encode_images([canonical_image()])[0], CANONICAL_IMAGE)


def test_the_canonical_sentence_gives_the_canonical_values(encoder):
    check_canonical(encoder.encode_texts([CANONICAL_SENTENCE])[0], CANONICAL_TEXT)


@pytest.mark.slow
def test_it_loads_offline_from_its_own_folder(encoder, hub_cache):
    assert load_encoder(mini.NAME).fingerprint == encoder.fingerprint  # hub_cache: an empty cache, and offline
    assert load_encoder(mini.FOLDER).fingerprint == encoder.fingerprint


def test_its_card_is_complete_and_agrees_with_the_encoder(encoder):
    card = mini.card()
    assert card == encoder.card
    assert card.name == mini.NAME
    assert card.licence != "unknown" and card.source and card.description
    assert "sigma" in card.metadata
    assert encoder.encode_texts(["nevus"]).shape == (1, card.width)
    assert encoder.preprocess(canonical_image()).shape == (3, card.image_size, card.image_size)


def test_rows_are_unit_rows_and_the_temperature_is_positive(encoder):
    rows = torch.cat([encoder.encode_images([canonical_image()]), encoder.encode_texts(["nevus", "melanoma"])])
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
    assert 0 < encoder.temperature < 1


def test_the_folder_is_small_and_says_how_the_weights_were_made():
    size = sum(path.stat().st_size for path in mini.FOLDER.rglob("*"))
    assert size <= 60e6
    assert (mini.FOLDER / "CARD.md").is_file()


def test_an_installation_without_weights_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(mini, "FOLDER", tmp_path)
    assert not mini.available()
    for load in (mini.card, lambda: load_encoder(mini.NAME)):
        with pytest.raises(
            CheckpointError, match=r"lacks the weights of 'zsderm-mini'.*Install the package again: \S+"
        ):
            load()


def test_the_card_is_read_without_loading_the_weights(tmp_path, monkeypatch):
    config = {"model_cfg": {"embed_dim": 8, "vision_cfg": {"image_size": 16}, "text_cfg": {}}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"not looked into")
    (tmp_path / "zsderm.json").write_text(json.dumps({"licence": "CC BY-NC 4.0"}))
    monkeypatch.setattr(mini, "FOLDER", tmp_path)
    assert (mini.card().name, mini.card().width, mini.card().licence) == ("zsderm-mini", 8, "CC BY-NC 4.0")
