"""The base model of a run: frozen weights, LoRA adapters in the language model, and a trainable projector."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zsderm.asking.model_folder import BASE, ModelFolder
from zsderm.errors import MissingDependencyError, SettingsError
from zsderm.pretrain.answers.config import AnswersConfig
from zsderm.pretrain.model.activations import compute_twice

LANGUAGE_MODEL = "language_model"  # part of the names of its layers, in models of the LLaVA family


def begin(config: AnswersConfig, folder: ModelFolder, device: torch.device) -> tuple[Any, Any]:
    """The model with new adapters, and its processor.

    Args:
        config: which layers learn.
        folder: of the model.
        device: where it is trained.

    Raises:
        CheckpointError: the model cannot be loaded.
        SettingsError: it is an adapter itself, has no such layers, or cannot compute activations twice.
        MissingDependencyError: peft is not installed.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as missing:
        raise MissingDependencyError("Fine-tuning needs peft. Run: pip install 'zsderm[lora]'") from missing
    if folder.adapter is not None:
        raise SettingsError(
            f"Expected setting `model` to be a whole model, but {folder.adapter} is an adapter to {folder.base}. "
            "Set `model` to the latter."
        )
    kept = torch.bfloat16 if config.precision == "bfloat16" else torch.float32
    model, processor = folder.load(kept)
    processor.tokenizer.padding_side = "right"
    own = "|".join(map(re.escape, config.lora_on))
    adapters = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=rf".*{LANGUAGE_MODEL}.*\.({own})",
        modules_to_save=[config.projector] if config.projector else None,
    )
    if config.projector and not any(name.endswith(config.projector) for name, _ in model.named_modules()):
        raise SettingsError(
            f"Expected a projector to train, but '{config.model}' has no module '{config.projector}'. Set `projector` "
            "to the name of its projector, or to an empty text to train none."
        )
    if config.gradient_checkpointing:
        compute_twice(model)
        model.enable_input_require_grads()  # else what is frozen below passes no gradient to the adapters
    try:
        adapted = get_peft_model(model, adapters)
    except ValueError as error:
        raise SettingsError(
            f"'{config.model}' has no layers named {', '.join(config.lora_on)} in its '{LANGUAGE_MODEL}'. Set "
            "`lora_on` to the names of its linear layers."
        ) from error
    for weights in adapted.parameters():
        if weights.requires_grad:
            weights.data = weights.data.float()  # small steps would vanish in bfloat16
    return adapted.to(device), processor


def groups(model: nn.Module, config: AnswersConfig) -> list[dict[str, Any]]:
    """The parameter groups of the optimiser: adapters and projector, each with its learning rate."""
    learns = {name: weights for name, weights in model.named_parameters() if weights.requires_grad}
    mark = f".{config.projector}." if config.projector else "/"  # no name holds that
    # In the order of the model, by which a checkpoint knows the state of each.
    parts = (
        ([weights for name, weights in learns.items() if mark not in name], config.learning_rate),
        ([weights for name, weights in learns.items() if mark in name], config.projector_learning_rate),
    )
    return [{"params": weights, "lr": rate} for weights, rate in parts if weights]


def save(model: Any, folder: Path, base: ModelFolder) -> None:
    """Write the adapter as peft does, with the folder of its base by its whole path."""
    model.peft_config["default"].base_model_name_or_path = os.path.abspath(base.base)
    model.save_pretrained(str(folder), safe_serialization=True)
    assert BASE in (folder / "adapter_config.json").read_text(encoding="utf-8")
