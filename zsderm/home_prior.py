"""The prior "home": text proxies without half of the bias that they have where the encoder is at home.

Letters: C classes, D embedding width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from zsderm.config import HOME_PRIOR, Settings
from zsderm.encoders.base import HOME_FILE, home_of
from zsderm.errors import SettingsError

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

SHARE = 0.5  # the whole bias gains more on new sources, and loses up to 18 points on known ones: docs/priors.md
REASON = "half of what each class scores on the encoder's average training photograph is taken off"


def home_centre(mean: torch.Tensor) -> torch.Tensor:
    """What is taken off every image before it is held against the text proxies t_k.

        score = x . t_k - SHARE * (mean . t_k) = (x - SHARE * mean) . t_k

    Nothing is learned from the images that are answered: a photograph alone has the same correction as one of many.

    Args:
        mean: (D,) float32, the mean of the encoder's training images, see `zsderm.encoders.home.EncoderHome`.

    Returns:
        (D,) float32.

    Source: to take off what a class scores on average over pretraining images is the normalisation of ZPE (Allingham
        et al. 2023, arXiv 2302.06235), there to weigh prompts. Half of it, for class scores, is ours.
    """
    return SHARE * mean


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
