"""The prior "home": text proxies without the bias that they have where the encoder is at home.

Letters: C classes, D embedding width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from zsderm.config import HOME_PRIOR, Settings
from zsderm.encoders.base import HOME_FILE, home_of
from zsderm.errors import SettingsError
from zsderm.knowledge.shown import ShownClasses

if TYPE_CHECKING:
    from zsderm.encoders import Encoder
    from zsderm.knowledge.base import KnowledgeBase


def is_home(prior: str | torch.Tensor) -> bool:
    """Whether a prior, a word or (C,) shares, is the word "home"."""
    return isinstance(prior, str) and prior == HOME_PRIOR


def home_digest(mean: torch.Tensor) -> str:
    """16 hex digits that change with the mean, (D,), of home; for the fingerprint of an encoder does not know it."""
    return hashlib.sha256(mean.contiguous().numpy().tobytes()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class HomePrior:
    """What prior "home" takes off the scores of C classes.

        score_k = x . t_k - taken_k        taken_k = mean . t_k                              the encoder was shown k
                                           taken_k = max(mean . t_k, max_j mean . t_j)       it was not; j: it was shown

    Over the training images of the listed classes, each class counting alike however many images it had, all classes
    that were shown then score alike on average, and no other one scores more. Nothing is learned from the images that
    are answered: a photograph alone has the same correction as one of many.

    Attributes:
        mean: (D,) float32 mean training image of the classes that were shown.
        shown: (C,) bool, which classes the encoder was shown in training.

    Source: to take off what a class scores on average over pretraining images is the normalisation of ZPE (Allingham
        et al. 2023, arXiv 2302.06235), there to weigh prompts. To count classes alike, for class scores, and the rule
        for classes that were never shown are ours. Without that rule such a class, whose texts were never held
        against an image and score low, was raised above those that the photographs show.
    """

    mean: torch.Tensor
    shown: torch.Tensor

    @classmethod
    def of(cls, encoder: Encoder, classes: Sequence[str], knowledge: KnowledgeBase | None) -> HomePrior:
        """That of an encoder with its home.

        Args:
            encoder: of the images and texts.
            classes: C class names.
            knowledge: relates them to the diagnoses of the training images, see `ShownClasses.of`.

        Raises:
            SettingsError: the training images were not measured by diagnosis, or show fewer than two of the classes.
        """
        home, name = home_of(encoder), encoder.card.name
        held = None if home is None else ShownClasses.of(classes, home.diagnoses or None, knowledge)
        if home is None or held is None:
            lacks = (
                f"{name} has none that can be used" if home is None else f"that of {name} does not say what they show"
            )
            raise SettingsError(
                f"Expected a {HOME_FILE} in which the encoder's training images were measured by diagnosis, for prior "
                f"'home', but {lacks}. Use prior 'auto'. Who has the training images can measure them: zsderm pretrain "
                "home FOLDER --config FILE"
            )
        mean = home.mean_of(held.found)
        if mean is None or not held.told_apart:
            shown = [f"{given} (as {', '.join(own)})" for given, own in zip(classes, held.found, strict=True) if own]
            unclear = f" The knowledge base does not know {', '.join(held.unclear)}: check the spelling."
            raise SettingsError(
                f"Expected at least two classes that {name} was shown in training, and apart from each other, for "
                f"prior 'home', but it was shown {'; '.join(shown) or 'none of them'}."
                f"{unclear if held.unclear else ''} Use prior 'auto'."
            )
        return cls(mean, torch.tensor([bool(own) for own in held.found]))

    def held_back(self, text: torch.Tensor) -> torch.Tensor:
        """(C,) float32, at least 0: what is taken off each class of text proxies (C, D) beside ``mean . t_k``."""
        at_home = text @ self.mean  # (C,)
        return (at_home[self.shown].max() - at_home).clamp(min=0).masked_fill(self.shown, 0)

    @property
    def reason(self) -> str:
        """What was done, and why, as the rest of a sentence."""
        known, others = int(self.shown.sum()), int((~self.shown).sum())
        over = "these classes" if not others else f"the {known} classes that it was shown"
        told = (
            "each score was corrected by what its class scores on the encoder's average training photograph of "
            f"{over}, as some classes score high on every photograph"
        )
        if not others:
            return told
        left = f"the {others} others" if others > 1 else "the other class"
        return f"{told}; at least as much was taken off {left} as off any that was shown"


def crowded_home(encoder: Encoder, shown: ShownClasses | None) -> bool:
    """Whether prior "home" is possible for a class list most of which the encoder was never shown.

    Args:
        encoder: with its home.
        shown: what its training diagnoses say about the list; None where they are not known.
    """
    home = home_of(encoder)
    if home is None or not home.diagnoses or shown is None or not shown.told_apart:
        return False
    return sum(map(bool, shown.found)) < len(shown.classes) / 2


def home_prior(
    prior: str | torch.Tensor,
    settings: Settings,
    encoder: Encoder,
    classes: Sequence[str],
    knowledge: KnowledgeBase | None,
) -> HomePrior | None:
    """See `HomePrior.of`; None with another prior, or a method that uses none."""
    return HomePrior.of(encoder, classes, knowledge) if is_home(prior) and settings.method == "kpl" else None


def check_home(
    prior: str | torch.Tensor,
    settings: Settings,
    encoder: Encoder,
    classes: Sequence[str],
    knowledge: KnowledgeBase | None,
) -> None:
    """Refuse the prior "home" where it cannot be used; every other one passes.

    Raises:
        SettingsError: see `HomePrior.of`; or a setting that does not go with it.
    """
    if home_prior(prior, settings, encoder, classes, knowledge) is None:
        return
    if settings.retrieval == "image":
        raise SettingsError(
            "Expected retrieval 'batch' beside prior 'home', which takes the same off every image, but got 'image'."
        )
    if settings.centre:
        raise SettingsError(
            "Expected `centre` to be off beside prior 'home', which has a centre of its own. Leave one of them out."
        )
