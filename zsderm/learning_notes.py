"""What a reader of answers is told where nothing was learned from images, although that was asked for."""

from __future__ import annotations

import torch

from zsderm.class_texts import ClassTexts
from zsderm.config import Settings
from zsderm.fitted import Fitted


def learning_notes(
    fitted: Fitted, settings: Settings, prior: str | torch.Tensor, texts: ClassTexts, *, beforehand: bool
) -> list[str]:
    """Notes on what was not learned from a batch, and on a stated prior that was not used.

    Args:
        fitted: what answers.
        settings: what was asked for.
        prior: as it was asked for: a word, or (C,) shares.
        texts: the sentences of all classes.
        beforehand: whether the batch was that of an earlier fit, and not the images that are answered.

    Returns:
        A note, or none where everything was done as asked.
    """
    stated = _stated(prior)
    if fitted.refined or not (fitted.reason or stated):
        return []
    if not fitted.reason:
        return [
            f"{stated} was not used: the method {settings.method!r} uses no prior. Only 'kpl' does, which learns from "
            "all photographs together."
        ]
    why = fitted.reason
    answers, batch = _source(texts), "the photographs of the fit" if beforehand else "these photographs together"
    if stated:
        return [
            f"{stated} was not used, because {why}: nothing was learned from {batch}, and the answers come "
            f"{answers}, as they would without a prior."
        ]
    told = (
        f"The answers come {answers}: nothing was learned from {batch}, because {why}. Nothing is wrong, and "
        "nothing needs to be done."
    )
    if fitted.images < Settings.min_images:  # nothing that is said of them would help
        return [told]
    known = "If you know how common the classes are among them, say so (prior): then the method learns from them."
    again = "If you know how common the classes are among such photographs, fit again and say so (prior)."
    return [f"{told} {again if beforehand else known}"]


def _stated(prior: str | torch.Tensor) -> str:
    """The prior that a user stated, as the subject of a sentence; empty where it is left to the images."""
    if not isinstance(prior, str):
        return "The prior that was given (a weight for each class)"
    return "" if prior == "auto" else f"The prior {prior!r}"


def _source(texts: ClassTexts) -> str:
    """Where answers come from that nothing was learned for."""
    if len(texts.undescribed) == texts.class_count:
        return "from the names of the classes alone"
    if texts.undescribed:
        return "from what is written about the classes, or from a name alone where nothing is written"
    return "from what is written about the classes alone"
