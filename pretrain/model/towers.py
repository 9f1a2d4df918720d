"""The two towers in training: how they are built, patch features, and activations computed twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import open_clip
from open_clip.hf_model import HFTextEncoder
from open_clip.modified_resnet import ModifiedResNet
from timm.models.efficientnet import EfficientNet
from timm.models.resnet import ResNet
from torch import Tensor

from zsderm.encoders.patches import patch_features
from zsderm.errors import SettingsError
from zsderm.pretrain.model.activations import compute_twice

# What open_clip, timm and torch raise on settings that are unknown or do not fit each other.
MISFITS = (TypeError, ValueError, LookupError, AttributeError, AssertionError, ArithmeticError, RuntimeError)
OpenClipModel = Any  # CLIP, CustomTextCLIP or CoCa, which share no class but the names of their parts


def build_towers(model_cfg: Mapping[str, Any]) -> OpenClipModel:
    """The class that open_clip itself would choose for a configuration, with random or fetched weights.

    Raises:
        SettingsError: the configuration makes no model.
    """
    try:
        return _towers(model_cfg)
    except MISFITS as error:
        detail = " ".join(str(error).split())[:300] or type(error).__name__
        raise SettingsError(
            f"`model_cfg` makes no model: {detail}. Compare it with one of pretrain/configs/."
        ) from error


def _towers(model_cfg: Mapping[str, Any]) -> OpenClipModel:
    options = {key: value for key, value in model_cfg.items() if key != "custom_text"}
    if "multimodal_cfg" in options:
        return open_clip.coca_model.CoCa(**options)
    if model_cfg.get("custom_text") or "hf_model_name" in model_cfg["text_cfg"]:
        return open_clip.CustomTextCLIP(**options)
    return open_clip.CLIP(**options)


def image_and_patch_features(model: OpenClipModel, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Image embeddings and patch embeddings out of one pass through the image tower.

    Args:
        model: an open_clip model: VisionTransformer, ModifiedResNet, CoCa, or a timm tower.
        pixels: (B, 3, H, W) float.

    Returns:
        (B, D) image features and (B, P, D) patch features, neither normalised.

    Raises:
        CheckpointError: if the image tower has no patch features.
    """
    trunk = getattr(model.visual, "trunk", None)
    if isinstance(trunk, EfficientNet | ResNet) and getattr(trunk.global_pool, "pool_type", "") == "avg":
        # They pool by the mean and end there: projected places are the patch features. Only the image is dropped out.
        feature_map = trunk.forward_features(pixels)  # (B, C, h, w)
        image = model.visual.head(trunk.forward_head(feature_map))  # (B, D)
        return image, model.visual.head(feature_map.flatten(2).transpose(1, 2))  # (B, D), (B, P, D)
    found = patch_features(model, pixels)
    return found.image, found.patches


def set_gradient_checkpointing(model: OpenClipModel) -> None:
    """Compute activations twice instead of keeping them, in both towers.

    Raises:
        SettingsError: if one of them cannot.
    """
    trunk = getattr(model.visual, "trunk", model.visual)
    if isinstance(model.visual, ModifiedResNet) or not hasattr(trunk, "set_grad_checkpointing"):
        raise SettingsError(
            f"Expected an image tower that can compute its activations twice, but {type(trunk).__name__} cannot. "
            "Set `gradient_checkpointing: false`, and `micro_batch` lower instead."
        )
    trunk.set_grad_checkpointing(True)
    text = getattr(model, "text", None)
    if isinstance(text, HFTextEncoder):
        compute_twice(text.transformer)
    else:
        (text or model).transformer.grad_checkpointing = True
