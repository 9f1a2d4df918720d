"""The settings of a run on conversations, read from YAML and checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zsderm.asking.pictures import LONGEST_SIDE
from zsderm.errors import SettingsError
from zsderm.pretrain.settings_file import build, check_among, check_between, read_settings

PRECISIONS = ("float32", "bfloat16")
RANGES = {
    "lora_rank": (1, 4096),
    "lora_alpha": (1, 2**16),
    "lora_dropout": (0, 0.9),
    "epochs": (1, 100_000),
    "batch_size": (1, 2**16),
    "accumulate": (1, 2**16),
    "learning_rate": (0, 10),
    "projector_learning_rate": (0, 10),
    "weight_decay": (0, 10),
    "warm_up_share": (0, 1),
    "gradient_clip": (1e-9, 1e9),
    "max_tokens": (16, 2**20),
    "longest_side": (16, 2**14),
    "seed": (0, 2**32 - 1),
    "checkpoint_every": (0, 10**9),
    "log_every": (0, 10**9),
}


@dataclass(frozen=True)
class AnswersConfig:
    """Everything that decides the outcome of a run; learning rates per optimiser step."""

    card: Mapping[str, Any]  # what the adapter says of itself: name, licence, description, training data
    conversations: str  # a file in the form of LLaVA (.json), relative to the data folder
    model: str  # folder of the model that is adapted, as transformers writes it, with safetensors
    images: str = ""  # folder of the photographs, relative to the data folder; empty: beside the conversations
    lora_rank: int = 128
    lora_alpha: int = 64
    lora_dropout: float = 0.05  # not published; that of LLaVA
    # names of the layers of the language model with adapters; not published, all of its linear layers, as in LLaVA
    lora_on: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    projector: str = "multi_modal_projector"  # module that learns with all its weights; empty: none does
    epochs: int = 1
    batch_size: int = 16  # conversations in the model at a time
    accumulate: int = 1  # batches whose gradients are one step: with 8, batches of 2 learn as one of 16
    learning_rate: float = 5e-5  # of the adapters
    projector_learning_rate: float = 2e-5
    weight_decay: float = 0.01
    warm_up_share: float = 0.02  # of all steps; then a cosine to zero
    gradient_clip: float = 1.0  # largest norm of the gradient; not published, that of transformers
    max_tokens: int = 2048  # of a conversation, with those of its picture; what is longer is cut
    longest_side: int = LONGEST_SIDE  # pixels; larger photographs are made smaller first
    precision: str = "bfloat16"  # of the weights that stay; what learns is float32
    gradient_checkpointing: bool = False  # compute activations twice instead of keeping them
    seed: int = 0
    checkpoint_every: int = 200  # steps; 0: only at the end of an epoch
    log_every: int = 10  # steps; 0: only epochs
    tensorboard: bool = True  # write its logs where it is installed

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, before anything is loaded."""
        for name, (least, most) in RANGES.items():
            check_between(name, getattr(self, name), least, most)
        check_among("setting `precision`", self.precision, PRECISIONS)
        if not self.lora_on:
            raise SettingsError("Expected setting `lora_on` to name layers, but it names none.")


def read_config(path: Path, overrides: Mapping[str, Any] | None = None) -> AnswersConfig:
    """Read a YAML file into checked settings.

    Args:
        path: the YAML file.
        overrides: settings that replace those of the file.

    Raises:
        SettingsError: the file is missing, is no mapping, has an unknown key or a value out of range.
        MissingDependencyError: PyYAML is not installed.
    """
    config: AnswersConfig = build(AnswersConfig, read_settings(path, overrides), str(path))
    return config
