"""The settings of a run on stories, read from YAML and checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zsderm.errors import SettingsError
from zsderm.narratives.story_classifier import POOLINGS
from zsderm.narratives.words_model import KINDS
from zsderm.pretrain.settings_file import build, check_among, check_between, read_settings

BUNDLED_MODEL = "all-MiniLM-L6-v2"
PRECISIONS = ("float32", "bfloat16")
RANGES = {
    "folds": (0, 1000),
    "fold": (0, 999),
    "look_alikes": (0, 1),
    "missed": (0.001, 0.999),
    "max_tokens": (16, 2**17),
    "frozen_layers": (0, 1000),
    "lora_rank": (0, 4096),
    "lora_alpha": (1, 2**16),
    "lora_dropout": (0, 0.9),
    "dropout": (0, 0.9),
    "epochs": (1, 100_000),
    "batch_size": (1, 2**16),
    "learning_rate": (0, 10),
    "head_learning_rate": (0, 10),
    "weight_decay": (0, 10),
    "warm_up_share": (0, 1),
    "gradient_clip": (1e-9, 1e9),
    "seed": (0, 2**32 - 1),
    "checkpoint_every": (0, 10**9),
    "log_every": (0, 10**9),
}


@dataclass(frozen=True)
class NarrativesConfig:
    """Everything that decides the outcome of a run; learning rates per optimiser step."""

    card: Mapping[str, Any]  # what the folder says of the model: name, licence, description, training data
    stories: str = ""  # a table, relative to the data folder; empty: the written stories of the package
    folds: int = 0  # divide the train split into so many parts by `group`, one of them to test; 0: test its test split
    fold: int = 0  # which part is tested, from 0
    group: str = "patient_id"  # column of a table: rows with the same entry stay together
    knowledge: str = "dermatology"  # knowledge base that says which diseases are alike
    model: str = BUNDLED_MODEL  # the one in the bundled weights; or a model of transformers, by its name or as a folder
    pooling: str = "mean"  # of the tokens of the story; "last" token for decoders
    options: str = "chain"  # what stands in the text: none, full, chain, or chapters and then chain
    lengths: tuple[int, ...] = (10, 5, 3, 2)  # of the chain, after the list of all classes
    look_alikes: float = 0.5  # share of wrong options that are the most alike of the base; the others are drawn
    missed: float = 0.2  # share of short lists without the answer, where a table does not rank options
    max_tokens: int = 288  # of story and options; the story is cut
    frozen_layers: int = 0  # embeddings and so many layers keep their weights; 0: everything is trained
    lora_rank: int = 0  # train adapters of this rank in place of the weights; 0: train the weights
    lora_alpha: int = 32
    lora_dropout: float = 0.05
    lora_on: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")  # names of the layers with adapters
    dropout: float = 0.1  # of the vector of a text, before the head
    epochs: int = 20  # each story once an epoch, with another list
    batch_size: int = 16
    learning_rate: float = 1e-4  # language model, or its adapters
    head_learning_rate: float = 1e-2
    weight_decay: float = 0.01
    warm_up_share: float = 0.1  # of all steps; then a cosine to zero
    gradient_clip: float = 1.0  # largest norm of the gradient
    precision: str = "float32"  # or "bfloat16": of the language model, where LoRA leaves its weights alone
    gradient_checkpointing: bool = False  # compute activations twice instead of keeping them
    seed: int = 0
    checkpoint_every: int = 0  # batches; 0: only at the end of an epoch
    log_every: int = 20  # batches; 0: only epochs
    tensorboard: bool = True  # write its logs where it is installed

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, before anything is loaded."""
        for name, (least, most) in RANGES.items():
            check_between(name, getattr(self, name), least, most)
        check_among("setting `options`", self.options, KINDS)
        check_among("setting `pooling`", self.pooling, POOLINGS)
        check_among("setting `precision`", self.precision, PRECISIONS)
        if self.folds and not self.fold < self.folds:
            raise SettingsError(f"Expected setting `fold` to be from 0 to {self.folds - 1}, but got {self.fold}.")
        if self.folds == 1:
            raise SettingsError("Expected setting `folds` to be 2 or more, or 0 for the column 'split', but got 1.")
        if not self.lengths or min(self.lengths) < 2:
            raise SettingsError(f"Expected setting `lengths` to be lengths of 2 or more, but got {list(self.lengths)}.")
        if self.precision == "bfloat16" and not self.lora_rank:
            raise SettingsError("Expected setting `precision` to be float32 unless `lora_rank` is above 0.")

    @property
    def has_chain(self) -> bool:
        """Whether lists shrink."""
        return self.options in ("chain", "chapters")


def read_config(path: Path, overrides: Mapping[str, Any] | None = None) -> NarrativesConfig:
    """Read a YAML file into checked settings.

    Args:
        path: the YAML file.
        overrides: settings that replace those of the file.

    Raises:
        SettingsError: the file is missing, is no mapping, has an unknown key or a value out of range.
        MissingDependencyError: PyYAML is not installed.
    """
    return build(NarrativesConfig, read_settings(path, overrides), str(path))
