"""Preprocessing settings of a checkpoint in open_clip's format: complete, possible, and of the size of its tower."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from zsderm.encoders.base import CONFIG_FILE, EncoderCard
from zsderm.encoders.colour_constancy import MODES, PLAIN, norm_of
from zsderm.errors import CheckpointError, FallbackWarning

CHOICES = {
    "interpolation": ("bicubic", "bilinear", "random"),
    "resize_mode": ("shortest", "longest", "squash"),
}


def complete_preprocessing(
    given: Mapping[str, Any], card: EncoderCard, vision_cfg: Mapping[str, Any]
) -> dict[str, Any]:
    """Complete preprocessing settings; a warning says what had to be assumed about colours.

    Args:
        given: the preprocess_cfg of a checkpoint.
        card: of the checkpoint.
        vision_cfg: of its image tower, which says the size.

    Raises:
        CheckpointError: a setting that open_clip cannot follow, or another size than that of the tower.

    Warns:
        FallbackWarning: mean or deviation of the training images are not stated.
    """
    if not isinstance(given, Mapping):
        raise CheckpointError(
            f"expected preprocess_cfg of '{card.name}' to be an object, but got a {type(given).__name__}"
        )
    missing = [key for key in ("mean", "std") if not given.get(key)]
    if missing:
        warnings.warn(
            f"'{card.name}' does not say the {' and '.join(missing)} of its training images; OpenAI's are assumed. "
            f"If that is wrong, set preprocess_cfg in its {CONFIG_FILE}: accuracy depends on it.",
            FallbackWarning,
            stacklevel=3,
        )
    _check_colours(given, card)
    mode = str(given.get("mode") or PLAIN)
    if norm_of(mode) is None:
        raise CheckpointError(f"expected preprocess_cfg.mode of '{card.name}' to be {MODES}, but got {mode!r}")
    settings: dict[str, Any] = merge_preprocess_dict(asdict(PreprocessCfg()), {**given, "mode": mode})
    tower = vision_cfg.get("image_size", card.image_size)
    if given.get("size") is not None and _sides(given["size"]) != _sides(tower):
        raise CheckpointError(
            f"preprocess_cfg.size of '{card.name}' is {given['size']!r:.80}, but vision_cfg.image_size is {tower}: one "
            f"of them belongs to another model. Set both to what it was trained with, in its {CONFIG_FILE}."
        )
    settings["size"] = tower
    for key, choices in CHOICES.items():
        if settings[key] not in choices:
            raise CheckpointError(
                f"expected preprocess_cfg.{key} of '{card.name}' to be one of {', '.join(choices)}, "
                f"but got {settings[key]!r}"
            )
    return settings


def _check_colours(given: Mapping[str, Any], card: EncoderCard) -> None:
    """Refuse a mean or a deviation that is not one number a channel."""
    for key, least in (("mean", -math.inf), ("std", 0)):
        values = given.get(key) or (1.0, 1.0, 1.0)
        numbers = list(values) if isinstance(values, list | tuple) else [values]
        sound = all(isinstance(value, int | float) and least < value < math.inf for value in numbers)
        if len(numbers) != 3 or not sound:
            raise CheckpointError(
                f"expected preprocess_cfg.{key} of '{card.name}' to be three numbers"
                f"{' above 0' if key == 'std' else ''}, but got {values!r:.80}"
            )


def _sides(size: Any) -> tuple[Any, Any]:
    """Height and width; one number is the side of a square."""
    return (size[0], size[1]) if isinstance(size, list | tuple) and len(size) == 2 else (size, size)
