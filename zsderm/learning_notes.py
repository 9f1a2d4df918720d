"""What a reader of answers is told where nothing was learned from images, although that was asked for."""

from __future__ import annotations

import torch

from zsderm.config import Settings
from zsderm.fitted import Fitted


def learning_notes(fitted: Fitted, settings: Settings, prior: str | torch.Tensor) -> list[str]:
    """Notes on what was not learned from a batch, and on a stated prior that was not used.

    Args:
        fitted: what answers.
        settings: what was asked for.
        prior: as it was asked for: a word, or (C,) shares.

    Returns:
        A note, or none where everything was done as asked.
    """
    if fitted.refined:
        return []
    stated = _stated(prior)
    if not fitted.reason:
        if not stated:
            return []
        return [
            f"{stated} was not used: the method {settings.method!r} asks for none; only 'kpl', which learns from all "
            "photographs together, does."
        ]
    answers = "from what is written about the classes alone"
    learned = "nothing was learned from these photographs together"
    if stated:
        return [
            f"{stated} was not used, because {fitted.reason}: {learned}, and the answers come {answers}, as they "
            "would without a prior."
        ]
    told = f"The answers come {answers}: {learned}, because {fitted.reason}. "
    told += "Nothing is wrong, and nothing needs to be done."
    known = " If you know how common the classes are among them, say so (prior): then the method learns from them."
    return [told + known if fitted.images >= Settings.min_images else told]  # with fewer, nothing that is said helps


def _stated(prior: str | torch.Tensor) -> str:
    """The prior that a user stated, as the subject of a sentence; empty where it is left to the images."""
    if not isinstance(prior, str):
        return "The prior that was given (a weight for each class)"
    return "" if prior == "auto" else f"The prior {prior!r}"
