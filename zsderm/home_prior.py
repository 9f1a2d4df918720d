"""The prior "home": text proxies without the bias that they have where the encoder is at home.

Letters: C classes, D embedding width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from zsderm.config import HOME_PRIOR, Settings
from zsderm.encoders.base import HOME_FILE, home_of
from zsderm.errors import SettingsError
from zsderm.knowledge.shown import ShownClasses, training_diagnoses

if TYPE_CHECKING:
    from zsderm.encoders import Encoder
    from zsderm.knowledge.base import KnowledgeBase

REASON = "what each class scores on the encoder's average training photograph of these classes is taken off"


def is_home(prior: str | torch.Tensor) -> bool:
    """Whether a prior, a word or (C,) shares, is the word "home"."""
    return isinstance(prior, str) and prior == HOME_PRIOR


def home_digest(mean: torch.Tensor) -> str:
    """16 hex digits that change with what is taken off, (D,); for the fingerprint of an encoder does not know it."""
    return hashlib.sha256(mean.contiguous().numpy().tobytes()).hexdigest()[:16]


def home_mean(encoder: Encoder, classes: Sequence[str], knowledge: KnowledgeBase | None) -> torch.Tensor:
    """What prior "home" takes off every image x before it is held against the text proxies t_k.

        score = x . t_k - mean . t_k = (x - mean) . t_k

    The mean is that of the encoder's training images, in which each of the classes counts alike, however many images
    it had; so over these images all classes score alike on average. Classes that it was never shown are left out of
    the mean. Nothing is learned from the images that are answered: a photograph alone has the same correction as one
    of many.

    Args:
        encoder: with its home.
        classes: C class names.
        knowledge: relates them to the diagnoses of the training images, see `ShownClasses.of`.

    Returns:
        (D,) float32.

    Raises:
        SettingsError: the training images were not measured by diagnosis, or show fewer than two of the classes.

    Source: to take off what a class scores on average over pretraining images is the normalisation of ZPE (Allingham
        et al. 2023, arXiv 2302.06235), there to weigh prompts. To count classes alike, for class scores, is ours.
    """
    home = home_of(encoder)
    if home is None or not home.diagnoses:
        raise SettingsError(
            f"Expected an encoder whose training images were measured by diagnosis, for prior 'home', but "
            f"{encoder.card.name} has no {HOME_FILE} of its own that says so. Use prior 'auto'. Who has the "
            "training images can measure them: zsderm pretrain home FOLDER --config FILE"
        )
    shown = training_diagnoses(classes, home.diagnoses, knowledge)
    found = home.mean_of(shown)
    if found is None or len({name for names in shown for name in names}) < 2:
        raise SettingsError(
            f"Expected at least two classes that {encoder.card.name} was shown in training, and apart from each other, "
            "for prior 'home', but there are fewer. Use prior 'auto'."
        )
    return found


def home_centre(
    prior: str | torch.Tensor,
    settings: Settings,
    encoder: Encoder,
    classes: Sequence[str],
    knowledge: KnowledgeBase | None,
) -> torch.Tensor | None:
    """(D,) what is taken off every image, see `home_mean`; None with another prior, or a method that uses none."""
    return home_mean(encoder, classes, knowledge) if is_home(prior) and settings.method == "kpl" else None


def home_note(prior: str | torch.Tensor, shown: ShownClasses | None) -> str:
    """What a reader should know of "home" beside classes that the encoder was never shown; empty where there are none.

    Args:
        prior: a word, or (C,) shares.
        shown: which classes the encoder was shown.
    """
    if not is_home(prior) or shown is None or not shown.never:
        return ""
    count = len(shown.never)
    classes = "the one class" if count == 1 else f"one of the {count} classes"
    return (
        f"With prior home, photographs of the other classes may get the name of {classes} that the encoder was "
        "never shown. Leave out classes that cannot be there; if the encoder was shown only a few of the classes, use "
        "prior 'auto'."
    )


def check_home(
    prior: str | torch.Tensor,
    settings: Settings,
    encoder: Encoder,
    classes: Sequence[str],
    knowledge: KnowledgeBase | None,
) -> None:
    """Refuse the prior "home" where it cannot be used; every other one passes.

    Raises:
        SettingsError: see `home_mean`; or a setting that does not go with it.
    """
    if home_centre(prior, settings, encoder, classes, knowledge) is None:
        return
    if settings.retrieval == "image":
        raise SettingsError(
            "Expected retrieval 'batch' beside prior 'home', which takes the same off every image, but got 'image'."
        )
    if settings.centre:
        raise SettingsError(
            "Expected `centre` to be off beside prior 'home', which has a centre of its own. Leave one of them out."
        )
