"""The prior "home", see `zsderm.proxies.home_centre`: where it can be used, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from zsderm.config import HOME_PRIOR, Settings
from zsderm.encoders.base import HOME_FILE, home_of
from zsderm.errors import SettingsError

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

REASON = "half of what each class scores on the encoder's average training photograph is taken off"


def is_home(prior: str | torch.Tensor) -> bool:
    """Whether a prior, a word or (C,) shares, is the word "home"."""
    return isinstance(prior, str) and prior == HOME_PRIOR


def check_home(prior: str | torch.Tensor, settings: Settings, encoder: Encoder) -> None:
    """Refuse the prior "home" where it cannot be used; every other one passes.

    Raises:
        SettingsError: the encoder's training images were not measured, or a setting that does not go with it.
    """
    if not is_home(prior):
        return
    if home_of(encoder) is None:
        raise SettingsError(
            f"Expected an encoder whose training images are known, for prior 'home', but {encoder.card.name} has no "
            f"{HOME_FILE}. Leave the prior to 'auto'; or measure them: zsderm pretrain home"
        )
    if settings.retrieval == "image":
        raise SettingsError(
            "Expected retrieval 'batch' beside prior 'home', which takes the same off every image, but got 'image'."
        )
    if settings.centre:
        raise SettingsError(
            "Expected `centre` to be off beside prior 'home', which has a centre of its own. Leave one of them out."
        )
