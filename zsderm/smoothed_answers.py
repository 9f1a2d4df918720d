"""Answers of one batch, each drawn towards those of similar images, where that was asked for.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from zsderm.config import Settings
from zsderm.predictions import Predictions
from zsderm.proxies import NEIGHBOURS, smooth_labels
from zsderm.wording import agrees, counted


@dataclass(frozen=True, eq=False)
class SmoothedAnswers:
    """Probabilities, and what was done to them.

    Attributes:
        probabilities: (N, C) float32, each row sums to 1.
        facts: for the manifest: gamma, neighbours, images and how many labels changed; None where nothing was smoothed.
        note: a sentence for the reader; empty where no smoothing was asked for.
    """

    probabilities: torch.Tensor
    facts: dict[str, Any] | None = None
    note: str = ""

    @staticmethod
    def possible(count: int, settings: Settings) -> bool:
        """Whether the answers for so many images are smoothed, as the settings say."""
        return settings.smooth > 0 and count >= settings.min_images

    @classmethod
    def of(cls, features: torch.Tensor, probabilities: torch.Tensor, settings: Settings) -> SmoothedAnswers:
        """Smooth a batch as the settings say.

        With fewer than `settings.min_images` images nothing is smoothed: among few, an image has no neighbour that is
        like it.

        Args:
            features: (N, D) float32 unit rows.
            probabilities: (N, C) float32 by each image alone.
            settings: of the run.
        """
        if settings.smooth == 0:
            return cls(probabilities)
        count = len(features)
        if not cls.possible(count, settings):
            few = f"there {agrees(count, 'is', 'are')} only {counted(count, 'photograph')}"
            return cls(
                probabilities,
                note=f"Not smoothed: {few}, and at least {settings.min_images} are needed.",
            )
        smoothed = smooth_labels(features, probabilities, settings.smooth)
        changed = int((smoothed.argmax(dim=1) != probabilities.argmax(dim=1)).sum())
        return cls(
            smoothed,
            {"gamma": settings.smooth, "neighbours": NEIGHBOURS, "images": count, "changed": changed},
            f"Smoothed: each answer also counts those of the {NEIGHBOURS} most similar photographs (gamma "
            f"{settings.smooth:g}). {changed} of {counted(count, 'answer')} changed.",
        )

    def told_by(self, predictions: Predictions) -> Predictions:
        """The predictions that were made of them, whose manifest says that they were smoothed, or why they were not."""
        if not self.note:
            return predictions
        notes = [*predictions.notes, self.note]
        return replace(predictions, manifest={**predictions.manifest, "smoothing": self.facts, "notes": notes})
