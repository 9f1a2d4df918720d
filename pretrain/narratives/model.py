"""The language model that a run starts from, which of its weights learn, and what it becomes in the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zsderm.encoders.checkpoint import BUILD_ERRORS, first_line
from zsderm.encoders.sentence_model import SentenceModel
from zsderm.encoders.transformers_format.encoder import silence
from zsderm.errors import CheckpointError, MissingDependencyError, SettingsError
from zsderm.narratives.story_classifier import StoryClassifier, prepared
from zsderm.pretrain.model.activations import compute_twice
from zsderm.pretrain.narratives.config import BUNDLED_MODEL, NarrativesConfig


def begin(config: NarrativesConfig, outputs: int) -> tuple[StoryClassifier, Any]:
    """The classifier before training, on the processor, and its tokenizer.

    Args:
        config: names the language model, its layers that stay, and adapters.
        outputs: O, how many scores.

    Raises:
        CheckpointError: the language model cannot be had.
        SettingsError: it has no such layers, cannot compute activations twice, or its tokenizer cannot tell the story
            from the options.
        MissingDependencyError: peft is not installed, and there are to be adapters.
    """
    body, tokenizer = _language_model(config)
    if not getattr(tokenizer, "is_fast", False):
        raise SettingsError(f"The tokenizer of '{config.model}' is not a fast one. Choose another setting `model`.")
    width = int(body.config.hidden_size)
    body.requires_grad_(True)
    _freeze(body, config.frozen_layers)
    if config.gradient_checkpointing:
        compute_twice(body)
    if config.lora_rank:
        body = _with_adapters(body, config)
    return StoryClassifier(body, width, outputs, config.pooling, config.dropout), prepared(tokenizer)


def finished(classifier: StoryClassifier) -> StoryClassifier:
    """The classifier as it is saved: adapters become part of the weights, so that who reads it needs no peft."""
    body: Any = classifier.body
    if hasattr(body, "merge_and_unload"):
        classifier.body = body.merge_and_unload()
    return classifier.eval()


class Learned:
    """The weights that learn, as a part of a checkpoint: frozen ones are had again from where they came.

    Args:
        model: some of whose parameters take gradients.
    """

    def __init__(self, model: nn.Module) -> None:
        self.parameters = {name: weights for name, weights in model.named_parameters() if weights.requires_grad}

    def state_dict(self) -> dict[str, Tensor]:
        """Name -> weights."""
        return {name: weights.detach() for name, weights in self.parameters.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put weights back.

        Raises:
            ValueError: they are of another model.
        """
        if state.keys() != self.parameters.keys():
            raise ValueError("it holds other weights than those that learn")
        with torch.no_grad():
            for name, weights in self.parameters.items():
                weights.copy_(state[name])


def _language_model(config: NarrativesConfig) -> tuple[Any, Any]:
    if config.model == BUNDLED_MODEL:
        return SentenceModel().parts
    from transformers import AutoModel, AutoTokenizer

    kind = torch.bfloat16 if config.precision == "bfloat16" else torch.float32
    name = str(Path(config.model).expanduser()) if Path(config.model).expanduser().is_dir() else config.model
    try:
        with silence():
            body = AutoModel.from_pretrained(name, dtype=kind, use_safetensors=True)
            return body, AutoTokenizer.from_pretrained(name, use_fast=True)
    except BUILD_ERRORS as error:
        raise CheckpointError(
            f"The language model '{config.model}' cannot be loaded: {first_line(error)}. Expected a model of "
            "transformers with safetensors, by its name on the Hugging Face hub or as a folder."
        ) from error


def _freeze(body: nn.Module, count: int) -> None:
    """Keep the weights of the embeddings and of the first layers."""
    if not count:
        return
    layers = max((m for m in body.modules() if isinstance(m, nn.ModuleList)), key=len, default=nn.ModuleList())
    if count > len(layers):
        raise SettingsError(f"Expected setting `frozen_layers` to be at most {len(layers)}, but got {count}.")
    for part in (m for m in body.modules() if isinstance(m, nn.Embedding)):
        part.requires_grad_(False)
    if (embeddings := getattr(body, "embeddings", None)) is not None:  # with their normalisation
        embeddings.requires_grad_(False)
    for layer in list(layers)[:count]:
        layer.requires_grad_(False)


def _with_adapters(body: Any, config: NarrativesConfig) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as missing:
        raise MissingDependencyError(
            "Training with adapters (`lora_rank`) needs peft. Run: pip install 'zsderm[lora]'"
        ) from missing
    adapters = LoraConfig(
        task_type="FEATURE_EXTRACTION",
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.lora_on),
    )
    try:
        return get_peft_model(body, adapters)
    except ValueError as error:
        raise SettingsError(
            f"'{config.model}' has no layers named {', '.join(config.lora_on)}. Name them in setting `lora_on`."
        ) from error
