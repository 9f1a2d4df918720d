"""Means of image tokens: against the towers' own outputs, of every kind of tower that has them or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.model import CLIP
from PIL import Image
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from zsderm.encoders import load_encoder
from zsderm.encoders.token_means import MAP, TOKENS, TokenMeanEncoder, means_of, places_of
from zsderm.errors import CheckpointError, SettingsError

ATTENTIVE = {"attentional_pool": True, "attn_pooler_queries": 5, "attn_pooler_heads": 2}
TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}


def _tower(vision: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    return CLIP(24, vision, TEXT).eval().visual


def _timm(name: str, pool: str = "avg", side: int = 96) -> dict[str, Any]:
    return {"timm_model_name": name, "timm_pool": pool, "timm_proj": "linear", "image_size": side}


def _hidden(model_class: Any, config_class: Any) -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": 64, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    config = config_class(vision_config={**sizes, "image_size": 32, "patch_size": 16}, text_config=text)
    return model_class(config).eval().vision_model


def test_the_tokens_of_open_clip_are_what_it_calls_tokens() -> None:
    vision = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 48, "output_tokens": True}
    tower, pixels = _tower(vision), torch.rand(2, 3, 48, 48)
    places, of = places_of(tower, pixels)
    assert of == TOKENS and torch.allclose(places, tower(pixels)[1], atol=1e-6) and places.shape == (2, 9, 32)


@pytest.mark.parametrize(
    ("vision", "of", "count"),
    [
        ({"layers": [1, 1, 1, 1], "width": 16, "head_width": 16, "image_size": 96}, MAP, 9),
        (_timm("test_efficientnet"), MAP, 9),
        (_timm("test_convnext"), MAP, 9),
        (_timm("test_vit", "token", 160), TOKENS, 100),
        (_timm("test_vit2", "avg", 160), TOKENS, 100),  # with registers
        ({"layers": 1, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 48, **ATTENTIVE}, TOKENS, 9),
    ],
    ids=["resnet of clip", "efficientnet", "convnext", "vit", "vit with registers", "vit with attentional pooling"],
)
def test_a_tower_has_tokens_or_a_map(vision: dict[str, Any], of: str, count: int) -> None:
    side = vision["image_size"]
    places, found = places_of(_tower(vision), torch.rand(2, 3, side, side))
    assert found == of and places.shape[:2] == (2, count)


def test_the_mean_of_a_convolutional_map_is_what_the_tower_pools() -> None:
    tower, pixels = _tower(_timm("test_efficientnet")), torch.rand(2, 3, 96, 96)
    places, _ = places_of(tower, pixels)
    assert torch.allclose(tower.head(places.mean(dim=1)), tower(pixels), atol=1e-5)


def test_the_tokens_of_transformers_are_normed_and_without_the_class_token() -> None:
    pixels = torch.rand(2, 3, 32, 32)
    clip = _hidden(CLIPModel, CLIPConfig)
    states = clip(pixel_values=pixels).last_hidden_state
    assert torch.allclose(places_of(clip, pixels)[0], clip.post_layernorm(states[:, 1:]), atol=1e-6)
    siglip = _hidden(SiglipModel, SiglipConfig)
    found = places_of(siglip, pixels)[0]
    assert found.shape == (2, 4, 16) and torch.equal(found, siglip(pixel_values=pixels).last_hidden_state)


def test_a_unit_row_gives_the_mean_back() -> None:
    means = torch.randn(5, 7) * torch.tensor([1e-3, 1, 30, 1000, 0])[:, None]
    rows = torch.nn.functional.normalize(torch.nn.functional.pad(means, (0, 1), value=1.0), dim=1).numpy()
    assert means_of(rows) == pytest.approx(means.numpy(), rel=1e-4, abs=1e-6)
    assert not means_of(np.zeros((1, 4), np.float32)).any()


@pytest.mark.slow
def test_the_bundled_encoder_has_a_map_of_1280_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(path)
    encoder: Any = load_encoder("zsderm-mini")
    inside = TokenMeanEncoder(encoder)
    rows = inside.encode_images([path])
    assert inside.of == MAP and inside.card.width == 1281 and inside.fingerprint != encoder.fingerprint
    assert rows.norm(dim=1).item() == pytest.approx(1)
    projected = torch.from_numpy(means_of(rows.numpy())) @ encoder._tower.head["proj"].weight.T.cpu()
    embedded = torch.nn.functional.normalize(projected, dim=1)
    assert torch.allclose(embedded, encoder.encode_images([path]), atol=1e-5)  # its embedding is a projection of it
    with pytest.raises(SettingsError, match="one view"):
        inside.encode_images([path], views=4)
    with pytest.raises(SettingsError, match="no means"):
        inside.encode_texts(["nevus"])


def test_an_encoder_without_a_model_inside_is_refused(blind_encoder: Callable[[], Any]) -> None:
    with pytest.raises(CheckpointError, match="--features embedding"):
        TokenMeanEncoder(blind_encoder())


@pytest.fixture
def blind_encoder() -> Callable[[], Any]:
    class Blind:
        card = load_encoder("zsderm-mini").card

    return Blind
