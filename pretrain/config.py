"""The settings of a pretraining run, read from YAML and checked once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zsderm.errors import SettingsError
from zsderm.pretrain.data_settings import Evaluation, Source
from zsderm.pretrain.model_settings import check_architecture, check_preprocessing
from zsderm.pretrain.run_settings import EFFECTS, Augmentation, RunSettings, with_parts
from zsderm.pretrain.settings_file import build, check_among, check_between, read_settings, with_tuples

__all__ = ["Augmentation", "Evaluation", "Source", "TrainConfig", "read_config"]

MIX = {"own": 0.0, "label": 1.0, "ontology": 0.5}  # weight of shared targets; 0.5: O-MAKE (arXiv 2512.03445)
# The range of each setting that is a number and no other run has; see `zsderm.pretrain.run_settings.RANGES`.
RANGES = {
    "named_share": (0, 1),
    "micro_batch": (0, 2**20),
    "text_learning_rate": (0, 10),
    "temperature": (1e-3, 100),  # a logit scale of at most 1000
    "lambda_m": (0, 1000),
    "lambda_s": (0, 1000),
    "sigma": (-1, 1),  # a cosine
    "early_sigma": (-1, 1),
    "early_sigma_epochs": (0, 1_000_000),
}
CAPTION_KINDS = ("caption", "ontology", "visual", "sub-captions")  # in the order of the losses


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunSettings):
    """What the outcome of a pretraining run depends on, besides what every run has."""

    start: str = ""  # a checkpoint to start from, by any name that --model takes; it brings the two settings below
    model_cfg: Mapping[str, Any] = field(default_factory=dict)  # `model_cfg` of open_clip_config.json
    knowledge: str = "dermatology"  # knowledge base that captions are written from
    named_share: float = 0.7  # share of sub-captions that name the disease, in [0, 1]
    captions: tuple[str, ...] = CAPTION_KINDS  # the kinds that are trained with; the others count as missing
    image_start: str = "efficientnet-lite0"  # or "random", "timm", or a checkpoint whose image tower is taken
    text_start: str = "all-MiniLM-L6-v2"  # or "random", or "hub" for the weights that hf_model_name has there
    train_text: bool = False  # fine-tune the text tower (False: frozen, its embeddings are computed once)
    micro_batch: int = 0  # images in the towers at a time, in each process; 0: all of them
    text_learning_rate: float = 3e-5  # text tower, when trained
    temperature: float = 0.05  # at the start; learned. A checkpoint to start from keeps its own
    # Softmax temperature that the exported encoder answers with; 0: the learned one. A contrastive run on few diagnoses
    # learns too small a one, so that probabilities are too sure; it is set afterwards from images not trained with.
    answer_temperature: float = 0.0
    lambda_m: float = 1.0  # weight of the multi-aspect contrastive loss (MAKE)
    lambda_s: float = 0.7  # weight of the local alignment loss (MAKE)
    guided_weights: bool = True  # sub-captions close to the diagnosis count most (MAKE); False: all count alike
    targets: str = "own"  # right answers for an image: its own captions, those of its "label", or by "ontology"
    sigma: float = 0.3  # cosine from which a patch belongs to a sub-caption (MAKE)
    early_sigma: float = 0.3  # the same, in the first `early_sigma_epochs`: patches of an untrained tower reach less
    early_sigma_epochs: int = 0
    gradient_checkpointing: bool = False  # compute activations twice instead of keeping them
    compile: bool = False  # torch.compile for the image tower: slow to begin, then faster; needs a C++ compiler

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, before anything is loaded."""
        super().__post_init__()
        for name, (least, most) in RANGES.items():
            check_between(name, getattr(self, name), least, most)
        if not self.captions:
            raise SettingsError("Expected setting `captions` to name at least one, but it is empty.")
        if bool(self.start) == bool(self.model_cfg):
            raise SettingsError(
                "Expected either setting `start` (a checkpoint, which brings its architecture) or setting `model_cfg` "
                f"(an architecture), but got {'both' if self.start else 'neither'}."
            )
        check_among("setting `targets`", self.targets, tuple(MIX))
        for kind in self.captions:
            check_among("a kind in setting `captions`", kind, CAPTION_KINDS)
        if self.model_cfg:
            check_architecture(self.model_cfg)
            check_preprocessing(self.preprocess_cfg)
            self.check_square()
        self.check_what_is_exported()
        if not 0 <= self.answer_temperature < math.inf:
            raise SettingsError(
                "Expected setting `answer_temperature` to be above 0, or 0 for the learned one, but got "
                f"{self.answer_temperature}."
            )

    def sigma_at(self, epoch: int) -> float:
        """The threshold of an epoch, counted from 0."""
        return self.early_sigma if epoch < self.early_sigma_epochs else self.sigma

    def loss_settings(self, epoch: int) -> dict[str, Any]:
        """What `make_loss` is given in an epoch, counted from 0."""
        return {
            "lambda_m": self.lambda_m,
            "lambda_s": self.lambda_s,
            "sigma": self.sigma_at(epoch),
            "guided_weights": self.guided_weights,
            "mix": MIX[self.targets],
        }

    @property
    def image_size(self) -> int:
        """Side of the square that the image tower sees, in pixels."""
        return int(self.model_cfg["vision_cfg"].get("image_size", 224))  # open_clip's default


def read_config(path: Path, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a YAML file into a checked `TrainConfig`.

    Args:
        path: the YAML file.
        overrides: settings that replace those of the file; "model_cfg.vision_cfg.image_size" and the like reach inside.

    Raises:
        SettingsError: if the file is missing, is no mapping, has an unknown key or a value out of range.
        MissingDependencyError: if PyYAML is not installed.
    """
    content = read_settings(path, overrides)
    if "tower" in content:
        raise SettingsError(f"{path} is the configuration of a supervised run. Use it with: zsderm pretrain supervised")
    content = with_parts(content, path)
    return build(TrainConfig, with_tuples(content, "leave_out", "captions"), str(path), {"augmentation": EFFECTS})
