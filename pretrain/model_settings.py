"""Checks of `model_cfg` and `preprocess_cfg`: what would fail when towers are built, or fill the memory, is refused.

Both are open_clip's own formats. Sizes may be what `zsderm.encoders.sizes` lets a checkpoint state, so that a slip of
the keyboard (a billion layers) is found before anything is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zsderm.encoders.sizes import unlikely_sizes
from zsderm.errors import SettingsError
from zsderm.stored_json import is_number

INTERPOLATIONS = ("bicubic", "bilinear", "random")
RESIZE_MODES = ("shortest", "longest", "squash")


def check_architecture(model_cfg: Mapping[str, Any]) -> None:
    """Refuse an architecture without its parts, or with sizes that are no sizes.

    Args:
        model_cfg: as in open_clip_config.json.

    Raises:
        SettingsError: a part is missing, or a size is no whole number from 1 to its limit.
    """
    for part in ("vision_cfg", "text_cfg"):
        if not isinstance(model_cfg.get(part), Mapping):
            raise SettingsError(
                f"Expected setting `model_cfg.{part}` to hold settings of its own, but got {model_cfg.get(part)!r:.60}."
            )
    for name in ("custom_text", "quick_gelu"):
        if not isinstance(model_cfg.get(name, False), bool):
            raise SettingsError(
                f"Expected setting `model_cfg.{name}` to be true or false, got {model_cfg[name]!r:.60}."
            )
    for what, wanted, value in unlikely_sizes({"embed_dim": None, **model_cfg}, "model_cfg."):
        raise SettingsError(f"Expected setting `{what}` to be {wanted}, but got {value!r:.60}.")
    if isinstance(side := model_cfg["vision_cfg"].get("image_size"), list | tuple):
        raise SettingsError(
            f"Expected setting `model_cfg.vision_cfg.image_size` to be one number, the side of a square, but got "
            f"{side!r:.60}."
        )


def check_preprocessing(preprocess_cfg: Mapping[str, Any]) -> None:
    """Refuse a preprocessing that does not say how colours are scaled, or says so in another form than open_clip.

    Args:
        preprocess_cfg: as in open_clip_config.json.

    Raises:
        SettingsError: a value is missing or of another kind.
    """
    for name, least in (("mean", -10.0), ("std", 1e-3)):
        values: Any = preprocess_cfg.get(name)
        three = isinstance(values, list | tuple) and len(values) == 3
        if not (three and all(is_number(value) and least <= value <= 10 for value in values)):
            raise SettingsError(
                f"Expected setting `preprocess_cfg.{name}` to be three numbers, of red, green and blue as shares of "
                f"white, {'above 0, ' if name == 'std' else ''}but got {values!r:.60}."
            )
    fill: Any = preprocess_cfg.get("fill_color", 0)
    parts = fill if isinstance(fill, list | tuple) else (fill,)
    if not all(is_number(value) and 0 <= value <= 255 for value in parts):
        raise SettingsError(f"Expected setting `preprocess_cfg.fill_color` to be from 0 to 255, but got {fill!r:.60}.")
    for name, known in (("interpolation", INTERPOLATIONS), ("resize_mode", RESIZE_MODES)):
        if (value := preprocess_cfg.get(name, known[0])) not in known:
            raise SettingsError(
                f"Expected setting `preprocess_cfg.{name}` to be one of {', '.join(known)}, but got {value!r:.60}."
            )
