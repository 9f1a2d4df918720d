"""Patch features: the features of each place of an image, from the same pass as the image feature.

A tower ends in a pooling that makes one feature out of a map of places. Here each place goes through the rest of the
tower alone, so that patches and texts share one space. Nothing is normalised, and gradients flow.

Letters: B batch, P = h * w patches row by row, W width inside the tower, D embedding width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import AttentionalPooler, VisionTransformer
from timm.layers import AttentionPool2d, AttentionPoolLatent, RotAttentionPool2d, resample_abs_pos_embed, to_2tuple
from torch import Tensor, nn
from torch.nn.functional import linear

from zsderm.encoders.base import Encoder
from zsderm.errors import CheckpointError, InputError


class PatchFeatures(NamedTuple):
    """Features of B images and of their places; no row is normalised."""

    image: Tensor  # (B, D), what the model's encode_image gives before it normalises
    patches: Tensor  # (B, P, D)
    grid: tuple[int, int]  # (h, w), rows and columns of places


def patch_features(model: nn.Module, pixels: Tensor) -> PatchFeatures:
    """Image features and patch features out of one pass through an open_clip image tower.

    A patch feature is what the image feature would be if its place were all there is to pool. Where the tower pools by
    the mean (most convolutional towers), the image feature is the mean of the patch features. Where it pools by
    attention, a patch feature is made of the value vector of its place, as if all attention went to it.

    Args:
        model: an open_clip CLIP, CustomTextCLIP or CoCa, in any mode, on any device, with or without autocast.
        pixels: (B, 3, H, W) float, preprocessed, on the device of the model.

    Raises:
        CheckpointError: the image tower has no patch features.
        InputError: the shape is another one.

    Source: patches by value vectors: Zhou, Loy and Dai 2022, "Extract Free Dense Labels from CLIP", section 3.2.
    """
    if pixels.ndim != 4 or pixels.shape[1] != 3:
        raise InputError(f"expected `pixels` of shape (B, 3, H, W), but got {tuple(pixels.shape)}")
    tower = getattr(model, "visual", None)
    if isinstance(tower, VisionTransformer):
        return _of_transformer(tower, pixels)
    if isinstance(tower, TimmModel):
        return _of_timm(tower, pixels)
    if isinstance(tower, ModifiedResNet):
        return _of_resnet(tower, pixels)
    raise _no_patches(model if tower is None else tower)


def encode_patches(encoder: Encoder, pixels: Tensor) -> PatchFeatures:
    """Patch features of an encoder, without gradients.

    Args:
        encoder: as load_encoder gives it.
        pixels: (B, 3, H, W) float32, rows as the encoder's preprocess makes them; other sizes where the tower allows.

    Returns:
        Image features (B, D) and patch features (B, P, D), float32 on the CPU, not normalised, and their grid.

    Raises:
        CheckpointError: the encoder has no patch features.
        InputError: the shape is another one.
    """
    model = getattr(encoder, "model", getattr(encoder, "_model", None))
    if not isinstance(model, nn.Module):
        raise CheckpointError(
            f"'{encoder.card.name}' gives one feature per image and none for its patches "
            f"({type(encoder).__name__}). Use the encoder's original open_clip checkpoint for heat maps."
        )
    with torch.inference_mode():
        image, patches, grid = patch_features(model, pixels.to(next(model.parameters()).device))
    return PatchFeatures(image.float().cpu().clone(), patches.float().cpu().clone(), grid)


def _of_transformer(tower: VisionTransformer, pixels: Tensor) -> PatchFeatures:
    """Tokens through ln_post and the projection, whatever the pooling."""
    if tower.attn_pool is None and tower.pool_type == "none":
        raise _no_patches(tower, "it does not pool (pool_type none); set vision_cfg.pool_type to 'tok' or 'avg'")
    if getattr(tower, "attn_pool_contrastive", None) is not None:
        raise _no_patches(tower, "its attentional pooling has two stages; train with attentional_pool: true")
    _check_size(tower, pixels)
    tokens = tower.transformer(tower._embeds(pixels))  # (B, 1 + P, W)
    height, width = (side // patch for side, patch in zip(pixels.shape[2:], tower.patch_size, strict=True))
    if tokens.shape[1] != 1 + height * width:
        raise _no_patches(tower, "patch dropout leaves holes in the grid; set vision_cfg.patch_dropout to 0")
    image, _ = tower._pool(tokens)  # (B, W)
    places = tokens[:, 1:]
    if tower.attn_pool is not None:
        places = _values_of_pooler(tower.attn_pool, places)
    places = tower.ln_post(places)
    if tower.proj is not None:
        image, places = image @ tower.proj, places @ tower.proj  # (B, D), (B, P, D)
    return PatchFeatures(image, places, (height, width))


def _of_timm(tower: TimmModel, pixels: Tensor) -> PatchFeatures:
    """Each place of the trunk's map, or each of its tokens, alone through the rest of trunk and head."""
    trunk = tower.trunk
    seen = trunk.forward_features(pixels)
    image = tower.head(trunk.forward_head(seen))  # (B, D)
    if seen.ndim == 3:
        prefix = int(getattr(trunk, "num_prefix_tokens", 0))
        places = seen[:, prefix:]  # (B, P, W)
        # Whether the pooling takes the first token, the mean without the prefix or a weighted mean of all, what it
        # makes of one token repeated is that token.
        alone = places.flatten(0, 1)[:, None].expand(-1, prefix + 1, -1)  # (B * P, prefix + 1, W)
        grid = _grid_of_tokens(tower, places.shape[1], pixels)
    else:
        last = getattr(trunk, "output_fmt", "NCHW") == "NHWC"
        places = (seen.flatten(1, 2) if last else seen.flatten(2).transpose(1, 2)).contiguous()  # (B, P, W)
        alone = places.flatten(0, 1)[:, None, None] if last else places.flatten(0, 1)[..., None, None]
        grid = (int(seen.shape[1]), int(seen.shape[2])) if last else (int(seen.shape[2]), int(seen.shape[3]))
    pooler = getattr(trunk, "attn_pool", None)
    if isinstance(pooler, AttentionPoolLatent) and pooler.pos_embed is not None:
        raise _no_patches(tower, "its attentional pooling adds positions of its own")
    if isinstance(getattr(tower.head, "pool", None), AttentionPool2d | RotAttentionPool2d):
        values = _values_of_pool2d(tower.head.pool, places, grid)
        return PatchFeatures(image, tower.head[1:](values), grid)  # [0] is the pool
    if isinstance(getattr(trunk, "head", None), AttentionPool2d | RotAttentionPool2d):
        return PatchFeatures(image, tower.head(_values_of_pool2d(trunk.head, places, grid)), grid)
    patches = tower.head(trunk.forward_head(alone)).unflatten(0, tuple(places.shape[:2]))
    return PatchFeatures(image, patches, grid)


def _of_resnet(tower: ModifiedResNet, pixels: Tensor) -> PatchFeatures:
    """Positions of the last layer through the values and the output projection of the attention pool."""
    _check_size(tower, pixels)
    seen = tower.layer4(tower.layer3(tower.layer2(tower.layer1(tower.stem(pixels)))))  # (B, W, h, w)
    pool = tower.attnpool
    places = seen.flatten(2).transpose(1, 2) + pool.positional_embedding[1:].to(seen.dtype)  # [0] is the mean's
    return PatchFeatures(pool(seen), pool.c_proj(pool.v_proj(places)), (int(seen.shape[2]), int(seen.shape[3])))


def _values_of_pooler(pooler: AttentionalPooler, places: Tensor) -> Tensor:
    """What open_clip's AttentionalPooler gives for (B, P, W) places when all attention goes to one of them."""
    attention = pooler.attn
    width = attention.embed_dim
    merged = attention.in_proj_weight is not None
    weight = attention.in_proj_weight[2 * width :] if merged else attention.v_proj_weight
    bias = None if attention.in_proj_bias is None else attention.in_proj_bias[2 * width :]
    return attention.out_proj(linear(pooler.ln_k(places), weight, bias))


def _values_of_pool2d(pool: AttentionPool2d | RotAttentionPool2d, places: Tensor, grid: tuple[int, int]) -> Tensor:
    """What timm's attention pools give for (B, P, W) places when all attention goes to one of them."""
    if isinstance(pool, AttentionPool2d):  # positions enter the values here, and only queries and keys when rotary
        stretched = resample_abs_pos_embed(pool.pos_embed[None], list(grid), list(pool.feat_size), num_prefix_tokens=1)
        places = places + stretched[:, 1:]
    if pool.qkv is None:
        return pool.proj(pool.v(places))
    start = 2 * pool.embed_dim
    bias = None if pool.qkv.bias is None else pool.qkv.bias[start:]
    return pool.proj(linear(places, pool.qkv.weight[start:], bias))


def _check_size(tower: VisionTransformer | ModifiedResNet, pixels: Tensor) -> None:
    """Refuse pixels that open_clip's positional embeddings do not fit."""
    wanted = to_2tuple(tower.image_size)
    if tuple(pixels.shape[2:]) != wanted:
        raise InputError(f"expected `pixels` of {wanted[0]} x {wanted[1]}, but got {tuple(pixels.shape)}")


def _grid_of_tokens(tower: TimmModel, count: int, pixels: Tensor) -> tuple[int, int]:
    """Rows and columns of a number of square patches that cover the pixels."""
    rows = max(1, round((count * pixels.shape[2] / pixels.shape[3]) ** 0.5))
    if rows * (count // rows) != count:
        raise _no_patches(tower, f"its {count} tokens do not cover {tuple(pixels.shape[2:])} pixels as a grid")
    return rows, count // rows


def _no_patches(tower: Any, reason: str = "zsderm cannot look into it") -> CheckpointError:
    trunk = f" ({type(tower.trunk).__name__})" if isinstance(getattr(tower, "trunk", None), nn.Module) else ""
    return CheckpointError(
        f"the image tower {type(tower).__name__}{trunk} has no patch features: {reason}. Use a checkpoint with "
        "open_clip's VisionTransformer or ModifiedResNet, or a timm tower that gives a feature map or tokens."
    )
