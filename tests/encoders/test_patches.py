"""Patch features come out of the same pass, in the same space, for every tower that users train."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from open_clip.coca_model import CoCa
from open_clip.model import CLIP
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from zsderm.encoders import load_encoder
from zsderm.encoders.patches import PatchFeatures, encode_patches, patch_features
from zsderm.errors import CheckpointError, InputError

WIDTH = 24  # D
TEXT = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
MULTIMODAL = {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1}
TRANSFORMER = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 16}
ATTENTIVE = {"attentional_pool": True, "attn_pooler_queries": 5, "attn_pooler_heads": 2}


def _timm(name: str, pool: str = "avg", proj: str | None = "linear", side: int = 96) -> dict[str, Any]:
    return {"timm_model_name": name, "timm_pool": pool, "timm_proj": proj, "timm_drop": 0.1, "image_size": side}


# name: (vision_cfg, image height and width, grid)
TOWERS: dict[str, tuple[dict[str, Any], tuple[int, int], tuple[int, int]]] = {
    "vit, class token": (TRANSFORMER, (48, 48), (3, 3)),
    "vit, not square": (TRANSFORMER, (48, 32), (3, 2)),
    "vit, mean": ({**TRANSFORMER, "pool_type": "avg"}, (48, 48), (3, 3)),
    "vit, norm after pooling": ({**TRANSFORMER, "pool_type": "avg", "final_ln_after_pool": True}, (48, 48), (3, 3)),
    "vit, attentional pooling": ({**TRANSFORMER, **ATTENTIVE}, (48, 48), (3, 3)),
    "resnet of clip": ({"layers": [1, 1, 1, 1], "width": 16, "head_width": 16}, (96, 96), (3, 3)),
    "timm efficientnet": (_timm("test_efficientnet"), (96, 96), (3, 3)),
    "timm efficientnet, another size": (_timm("test_efficientnet"), (128, 64), (4, 2)),
    "timm resnet": (_timm("test_resnet"), (96, 96), (3, 3)),
    "timm resnet, two-layer projection": (_timm("test_resnet", proj="mlp"), (64, 64), (2, 2)),
    "timm resnet, its own classifier": (_timm("test_resnet", proj=None), (64, 64), (2, 2)),
    "timm byobnet, rotary attention": (_timm("test_byobnet", pool="rot_attn", proj=None), (160, 160), (5, 5)),
    "timm byobnet, attention with positions": (
        _timm("test_byobnet", pool="abs_attn", proj="linear"),
        (160, 160),
        (5, 5),
    ),
    "timm convnext": (_timm("test_convnext"), (96, 96), (3, 3)),
    "timm vit, class token": (_timm("test_vit", pool="token"), (160, 160), (10, 10)),
    "timm vit, mean": (_timm("test_vit", pool="avg"), (160, 160), (10, 10)),
    "timm vit, registers": (_timm("test_vit2", pool="avg"), (160, 160), (10, 10)),
    "timm vit, attention": (_timm("test_vit3", pool="map"), (160, 160), (10, 10)),
    "timm vit, no prefix": (_timm("test_vit_relpos", pool="avg"), (160, 160), (10, 10)),
}


def _model(vision: dict[str, Any], size: tuple[int, int]) -> CLIP:
    torch.manual_seed(0)
    given = {**vision, "image_size": size[0] if size[0] == size[1] else size}
    return CLIP(embed_dim=WIDTH, vision_cfg=given, text_cfg=TEXT).eval()


def _coca(**vision: Any) -> CoCa:
    torch.manual_seed(0)
    given = {**TRANSFORMER, "image_size": 48, "output_tokens": True, **vision}
    text = {**TEXT, "embed_cls": True, "output_tokens": True}
    return CoCa(embed_dim=WIDTH, multimodal_cfg=MULTIMODAL, text_cfg=text, vision_cfg=given).eval()


def _pixels(size: tuple[int, int], count: int = 2) -> Tensor:
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=list(TOWERS))
def tower(request) -> SimpleNamespace:
    vision, size, grid = TOWERS[request.param]
    model, pixels = _model(vision, size), _pixels(size)
    with torch.no_grad():
        features = patch_features(model, pixels)
    return SimpleNamespace(name=request.param, model=model, pixels=pixels, grid=grid, features=features)


def test_the_image_features_are_those_of_encode_image(tower) -> None:
    with torch.no_grad():
        torch.testing.assert_close(tower.features.image, tower.model.encode_image(tower.pixels), rtol=0, atol=1e-5)


def test_patches_fill_the_grid_in_the_space_of_the_image(tower) -> None:
    rows, columns = tower.grid
    assert tower.features.grid == tower.grid
    assert tower.features.patches.shape == (2, rows * columns, WIDTH) and tower.features.image.shape == (2, WIDTH)
    assert tower.features.patches.isfinite().all()
    assert tower.features.patches.std(dim=1).min() > 0, "places differ"


def test_an_image_has_the_same_patches_alone_as_in_a_batch(tower) -> None:
    with torch.no_grad():
        alone = patch_features(tower.model, tower.pixels[1:])
    torch.testing.assert_close(alone.patches[0], tower.features.patches[1], rtol=1e-3, atol=1e-5)


def test_gradients_flow_from_patches_and_image_to_the_pixels(tower) -> None:
    pixels = tower.pixels[:1].clone().requires_grad_()
    image, patches, _ = patch_features(tower.model, pixels)
    for features in (image, patches):
        (gradient,) = torch.autograd.grad(features.square().sum(), pixels, retain_graph=True)
        assert gradient.isfinite().all() and gradient.abs().max() > 0


def test_autocast_gives_nearly_the_same_in_half_the_bits(tower) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        image, patches, _ = patch_features(tower.model, tower.pixels)
    for ours, exact in ((image, tower.features.image), (patches, tower.features.patches)):
        assert torch.cosine_similarity(ours.float(), exact, dim=-1).min() > 0.98


@pytest.mark.parametrize(
    "name",
    ["timm efficientnet", "timm efficientnet, another size", "timm resnet", "timm vit, mean"],
)
def test_where_a_tower_pools_by_the_mean_the_image_is_the_mean_of_the_patches(name: str) -> None:
    vision, size, _ = TOWERS[name]
    with torch.no_grad():
        image, patches, _ = patch_features(_model(vision, size), _pixels(size))
    torch.testing.assert_close(patches.mean(dim=1), image, rtol=1e-3, atol=1e-4)


def _attend_evenly(module: nn.Module) -> None:
    """Queries of zero: every place gets the same attention."""
    for name, parameter in module.named_parameters():
        if name.startswith(("q_proj", "q.")):
            parameter.zero_()
    if getattr(module, "qkv", None) is not None:
        module.qkv.weight[: module.embed_dim] = 0
        module.qkv.bias[: module.embed_dim] = 0


@torch.no_grad()
def test_where_attention_is_even_the_image_is_the_mean_of_the_values() -> None:
    """Value vectors are right if, weighed the way the pool weighs them, they give the image back."""
    vision, size, _ = TOWERS["resnet of clip"]
    model = _model(vision, size)
    pool = model.visual.attnpool
    _attend_evenly(pool)
    pool.positional_embedding[0] = pool.positional_embedding[1:].mean(dim=0)  # the mean token is then the mean place
    image, patches, _ = patch_features(model, _pixels(size))
    torch.testing.assert_close(patches.mean(dim=1), image, rtol=1e-3, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", ["timm byobnet, rotary attention", "timm byobnet, attention with positions"])
def test_the_attention_pools_of_timm_give_the_image_back_too(name: str) -> None:
    vision, size, _ = TOWERS[name]
    model = _model(vision, size)
    pool = model.visual.head.pool
    _attend_evenly(pool)
    if "positions" in name:
        pool.pos_embed[0] = pool.pos_embed[1:].mean(dim=0)
    image, patches, _ = patch_features(model, _pixels(size))
    torch.testing.assert_close(patches.mean(dim=1), image, rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_a_map_with_the_channels_last_is_read_row_by_row() -> None:
    model, pixels = _model(_timm("test_resnet"), (64, 96)), _pixels((64, 96))
    trunk = SwinTransformer((64, 96), embed_dim=16, depths=(1, 1), num_heads=(1, 2), window_size=4, num_classes=0)
    model.visual.trunk, model.visual.head = trunk.eval(), nn.Linear(trunk.num_features, WIDTH)
    image, patches, grid = patch_features(model, pixels)
    torch.testing.assert_close(image, model.encode_image(pixels), rtol=0, atol=1e-5)
    torch.testing.assert_close(patches.mean(dim=1), image, rtol=1e-3, atol=1e-4)
    assert grid == (8, 12)
    torch.testing.assert_close(patches[:, 13], model.visual.head(trunk.forward_features(pixels)[:, 1, 1]))


@torch.no_grad()
def test_tokens_of_a_transformer_equal_the_slow_twin() -> None:
    model, pixels = _model(TRANSFORMER, (48, 48)), _pixels((48, 48), 1)
    tower = model.visual
    tokens = tower.transformer(tower._embeds(pixels))[0]
    expected = torch.stack([tower.ln_post(token) @ tower.proj for token in tokens[1:]])
    torch.testing.assert_close(patch_features(model, pixels).patches[0], expected)


@torch.no_grad()
@pytest.mark.parametrize("vision", [{}, ATTENTIVE], ids=["class token", "attentional pooling"])
def test_coca_gives_its_image_feature_before_it_normalises(vision: dict[str, Any]) -> None:
    model, pixels = _coca(**vision), _pixels((48, 48))
    image, patches, grid = patch_features(model, pixels)
    torch.testing.assert_close(image, model.encode_image(pixels, normalize=False), rtol=0, atol=1e-5)
    assert patches.shape == (2, 9, WIDTH) and grid == (3, 3)


@torch.no_grad()
def test_attentional_pooling_that_attends_to_one_place_gives_its_patch() -> None:
    model, pixels = _model({**TRANSFORMER, **ATTENTIVE}, (48, 48)), _pixels((48, 48), 1)
    tower = model.visual
    tokens = tower.transformer(tower._embeds(pixels))
    for place in (0, 4, 8):
        expected = tower.ln_post(tower.attn_pool(tokens[:, 1 + place : 2 + place]))[:, 0] @ tower.proj
        torch.testing.assert_close(patch_features(model, pixels).patches[:, place], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("vision", "reason"),
    [
        ({"pool_type": "none"}, "set vision_cfg.pool_type to 'tok' or 'avg'"),
        ({**ATTENTIVE, "attentional_pool": "parallel", "width": 32}, "two stages"),
    ],
)
def test_a_transformer_without_one_image_feature_is_refused(vision: dict[str, Any], reason: str) -> None:
    with pytest.raises(CheckpointError, match=f"VisionTransformer has no patch features.*{reason}"):
        patch_features(_model({**TRANSFORMER, **vision}, (48, 48)), _pixels((48, 48)))


def test_patch_dropout_is_refused_while_training_only() -> None:
    model = _model({**TRANSFORMER, "patch_dropout": 0.5}, (48, 48))
    assert patch_features(model, _pixels((48, 48))).grid == (3, 3)
    with pytest.raises(CheckpointError, match="patch_dropout to 0"):
        patch_features(model.train(), _pixels((48, 48)))


def test_an_unknown_tower_is_named() -> None:
    class Tower(nn.Module):
        visual = nn.Linear(2, 2)

    with pytest.raises(CheckpointError, match="the image tower Linear has no patch features"):
        patch_features(Tower(), _pixels((8, 8)))
    with pytest.raises(CheckpointError, match="the image tower Linear"):
        patch_features(nn.Linear(2, 2), _pixels((8, 8)))


def test_pixels_of_another_shape_are_refused() -> None:
    model = _model(TRANSFORMER, (48, 48))
    with pytest.raises(InputError, match=r"of shape \(B, 3, H, W\), but got \(3, 48, 48\)"):
        patch_features(model, torch.zeros(3, 48, 48))
    with pytest.raises(InputError, match=r"expected `pixels` of 48 x 48, but got \(1, 3, 64, 64\)"):
        patch_features(model, torch.zeros(1, 3, 64, 64))


def test_an_encoder_gives_patches_whose_image_is_its_own(clip_folder, photo) -> None:
    encoder = load_encoder(clip_folder)
    pixels = encoder.preprocess(photo)[None]
    found = encode_patches(encoder, pixels)
    assert isinstance(found, PatchFeatures) and found.grid == (2, 2)
    assert not found.patches.requires_grad and not found.patches.is_inference()
    torch.testing.assert_close(nn.functional.normalize(found.image), encoder.encode_pixels(pixels))


def test_an_encoder_without_a_model_is_refused(tiny_encoder) -> None:
    with pytest.raises(CheckpointError, match=r"'tiny' gives one feature per image.*\(TinyEncoder\)"):
        encode_patches(tiny_encoder, torch.zeros(1, 3, 8, 8))
