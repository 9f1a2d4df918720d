from __future__ import annotations

from typing import Any

import pytest
import torch

from zsderm import CheckpointError, SettingsError
from zsderm.pretrain.model.text_bank import TextBank
from zsderm.pretrain.model.towers import build_towers, image_and_patch_features, set_gradient_checkpointing

TEXT = {"context_length": 16, "vocab_size": 100, "width": 32, "heads": 2, "layers": 2}
VISION: dict[str, dict[str, Any]] = {
    "open_clip ViT": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "ModifiedResNet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16},
    "CoCa": {
        "image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8,
        "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True,
    },
    "timm CNN": {"timm_model_name": "test_efficientnet", "timm_proj": "linear", "timm_pool": "avg", "image_size": 32},
    "timm ConvNeXt": {"timm_model_name": "test_convnext", "timm_proj": "linear", "timm_pool": "", "image_size": 32},
    "timm ViT": {"timm_model_name": "test_vit", "timm_proj": "linear", "timm_pool": "", "image_size": 32},
}  # fmt: skip


def tower(name: str) -> Any:
    torch.manual_seed(0)
    vision = {**VISION[name], "timm_model_pretrained": False} if "timm" in name else VISION[name]
    cfg = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": TEXT}
    if name == "CoCa":
        cfg["text_cfg"] = {**TEXT, "embed_cls": True, "output_tokens": True}
        cfg["multimodal_cfg"] = {"context_length": 16, "vocab_size": 100, "width": 32, "heads": 2, "layers": 1}
    elif "timm" in name:
        cfg["custom_text"] = True
    return build_towers(cfg)


def pixels_of(name: str) -> torch.Tensor:
    side = VISION[name]["image_size"]
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", list(VISION))
def test_every_tower_gives_patches_in_the_space_of_its_image_and_gradients_reach_it(name: str) -> None:
    model = tower(name).train()
    image, patches = image_and_patch_features(model, pixels_of(name))
    assert image.shape == (2, 16) and patches.shape[::2] == (2, 16) and patches.shape[1] >= 1
    patches.square().sum().backward()
    reached = [name for name, p in model.visual.named_parameters() if p.grad is not None and p.grad.any()]
    first = next(name for name, p in model.visual.named_parameters() if p.ndim == 4)
    assert first in reached, "from the last layer to the first"


@pytest.mark.parametrize("name", list(VISION))
def test_the_image_feature_is_that_of_open_clip(name: str) -> None:
    model, pixels = tower(name).eval(), pixels_of(name)
    with torch.no_grad():
        image, _ = image_and_patch_features(model, pixels)
        torch.testing.assert_close(image, model.encode_image(pixels, normalize=False), rtol=1e-4, atol=1e-5)


def test_a_tower_without_patches_is_refused_with_a_way_out() -> None:
    model = build_towers(
        {"embed_dim": 16, "vision_cfg": {**VISION["open_clip ViT"], "pool_type": "none"}, "text_cfg": TEXT}
    )
    with pytest.raises(CheckpointError, match="pool_type to 'tok' or 'avg'"):
        image_and_patch_features(model, pixels_of("open_clip ViT"))


@pytest.mark.parametrize("name", ["open_clip ViT", "timm CNN", "timm ViT"])
def test_activations_computed_twice_give_the_same_gradients(name: str) -> None:
    gradients = []
    for switched in (False, True):
        model = tower(name).eval()  # batch statistics would move twice
        if switched:
            set_gradient_checkpointing(model)
        kept: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):  # noqa: B023
            image, patches = image_and_patch_features(model.train("ViT" in name), pixels_of(name))
        (image.sum() + patches.square().sum()).backward()
        gradients.append(([p.grad for p in model.visual.parameters() if p.grad is not None], sum(kept)))
    for plain, twice in zip(gradients[0][0], gradients[1][0], strict=True):
        torch.testing.assert_close(twice, plain, rtol=1e-4, atol=1e-6)
    if "ViT" in name:
        assert gradients[1][1] < gradients[0][1], "and fewer of them are kept"


def test_a_tower_that_cannot_compute_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="ModifiedResNet cannot"):
        set_gradient_checkpointing(tower("ModifiedResNet"))


@pytest.mark.parametrize("name", ["open_clip ViT", "timm ViT", "CoCa"])
@pytest.mark.parametrize("trainable", [False, True])
def test_the_text_bank_reads_open_clips_own_text_towers(name: str, trainable: bool) -> None:
    model = tower(name).eval()

    def tokenize(texts: list[str]) -> torch.Tensor:
        rows = [[98, *(ord(c) % 90 + 1 for c in text[:13]), 99] for text in texts]
        return torch.tensor([row + [0] * (16 - len(row)) for row in rows])

    bank = TextBank(model, tokenize, trainable=trainable, chunk=2)
    features = bank([["nevus", "", "mole"], ["mole", "melanoma", ""]])
    assert features.shape == (2, 3, 16) and features.requires_grad == trainable
    with torch.no_grad():
        alone = model.encode_text(tokenize(["mole"]), normalize=False)[0]
    torch.testing.assert_close(features[0, 2].detach(), alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features[1, 0].detach(), alone, rtol=1e-4, atol=1e-5)
    assert not features[0, 1].any()
