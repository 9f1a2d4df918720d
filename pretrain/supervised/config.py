"""The settings of a supervised run, read from YAML and checked once; each step of optimisation is one of them.

| step | setting | plain |
|---|---|---|
| balanced sampling | `class_balance` | 0 |
| crops and colour | `augmentation` | `crop_scale: [1, 1]`, `jitter_probability: 0` |
| mixup | `mixup` | 0 |
| label smoothing | `label_smoothing` | 0 |
| longer cosine | `epochs` | few |
| weights averaged over time | `average` | 0 |
| views averaged at test time | `views` | 1 |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm

from zsderm.config import check_views
from zsderm.errors import SettingsError, did_you_mean
from zsderm.pretrain.model.start import LITE
from zsderm.pretrain.model_settings import check_preprocessing
from zsderm.pretrain.run_settings import EFFECTS, LARGEST_SIDE, Augmentation, RunSettings, with_parts
from zsderm.pretrain.settings_file import build, check_between, read_settings, with_tuples

MINI = "zsderm-mini"
WEIGHTS = ("none", "timm", MINI, *LITE)  # or a .safetensors file
TASK = "classification"
PLAIN = Augmentation(crop_scale=(1.0, 1.0), jitter_probability=0.0)


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig(RunSettings):
    """What the outcome of a supervised run depends on, besides what every run has."""

    tower: str = "resnet50"  # a network of timm
    # What it starts from: "none" (random), "efficientnet-lite0" to "-lite2" (ImageNet, from a package), "zsderm-mini"
    # (the image tower of the bundled encoder), "timm" (fetched by timm where there is a network), or a .safetensors
    # file with timm's names. What has been trained with images of a test set says so on the card.
    weights: str = "none"
    classes: tuple[str, ...] = ()  # labels in the order of the head; empty: all that the tables have, sorted
    class_balance: float = 0.0  # an image is drawn with weight (count of its class)^-class_balance, in [0, 1]
    augmentation: Augmentation = field(default_factory=lambda: PLAIN)
    mixup: float = 0.0  # two images are mixed by a share drawn from Beta(mixup, mixup); 0: none (arXiv 1710.09412)
    label_smoothing: float = 0.0  # share of each answer that all classes have alike (arXiv 1512.00567, section 7)
    drop: float = 0.0  # share of what the head sees that is left out at random
    views: int = 1  # 1, 4 or 8 mirrored and turned views of an image are averaged when it is answered

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, before anything is loaded."""
        super().__post_init__()
        for name, (least, most) in {"mixup": (0, 10), "label_smoothing": (0, 0.9), "drop": (0, 0.9)}.items():
            check_between(name, getattr(self, name), least, most)
        if not timm.is_model(self.tower):
            raise SettingsError(
                f"Expected setting `tower` to be a network of timm, but got {self.tower!r:.60}."
                f"{did_you_mean(self.tower, timm.list_models())}"
            )
        if self.weights not in WEIGHTS and not self.weights.endswith(".safetensors"):
            raise SettingsError(
                f"Expected setting `weights` to be one of {', '.join(WEIGHTS)} or a .safetensors file, but got "
                f"{self.weights!r:.60}.{did_you_mean(self.weights, WEIGHTS)}"
            )
        check_preprocessing(self.preprocess_cfg)
        size = self.preprocess_cfg.get("size")
        if type(size) is not int or not 1 <= size <= LARGEST_SIDE:
            raise SettingsError(
                f"Expected setting `preprocess_cfg.size` to be from 1 to {LARGEST_SIDE:,} pixels, but got {size!r:.60}."
            )
        self.check_square()
        self.check_what_is_exported()
        check_views(self.views)
        if len(set(self.classes)) < len(self.classes) or len(self.classes) == 1:
            raise SettingsError(f"Expected setting `classes` to be distinct labels, at least two, got {self.classes}.")
        if other := [asked.task for asked in self.evaluate if asked.task != TASK]:
            raise SettingsError(f"A supervised run is evaluated by {TASK} alone, but `evaluate` asks for {other[0]}.")


def read_supervised_config(path: Path, overrides: Mapping[str, Any] | None = None) -> SupervisedConfig:
    """Read a YAML file into a checked `SupervisedConfig`.

    Args:
        path: the YAML file.
        overrides: settings that replace those of the file; "preprocess_cfg.size" and the like reach inside.

    Raises:
        SettingsError: if the file is missing, is no mapping, has an unknown key or a value out of range.
        MissingDependencyError: if PyYAML is not installed.
    """
    content = read_settings(path, overrides)
    if "model_cfg" in content or "start" in content:
        raise SettingsError(f"{path} is the configuration of an encoder with two towers. Use it with: zsderm pretrain")
    plain = content.get("augmentation") is None
    content = with_parts({**content, "augmentation": {}} if plain else content, path)
    if plain:
        content["augmentation"] = PLAIN
    return build(SupervisedConfig, with_tuples(content, "leave_out", "classes"), str(path), {"augmentation": EFFECTS})
