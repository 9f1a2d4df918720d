"""Soft labels of images, from their text scores and what transport adds to each class.

Letters: N images, C classes, D embedding width, n rows of a chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch


@dataclass(frozen=True, eq=False)
class TextLabels:
    """Soft labels of images, from their text scores and the potentials of the classes."""

    proxies: torch.Tensor  # (C, D) float32 unit rows
    temperature: float  # of the softmax, in units of cosine
    potentials: torch.Tensor  # (C,) float64; -inf for a class that gets no label
    # (N, D) images in memory and their (N, C) scores, which are kept; other images are scored by the proxies
    images: torch.Tensor | None = field(default=None, repr=False)
    scores: torch.Tensor | None = field(default=None, repr=False)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """(n, C) float64 of images (n, D), before the potentials; not to be written to."""
        if self.scores is not None and images is self.images:
            return self._kept_logits
        return (images.float() @ self.proxies.T).double().div_(self.temperature)

    def of(self, images: torch.Tensor) -> torch.Tensor:
        """(n, C) float32 labels of images (n, D), each row sums to 1."""
        return torch.softmax(self.logits(images) + self.potentials, dim=1).float()

    @cached_property
    def _kept_logits(self) -> torch.Tensor:
        assert self.scores is not None
        return self.scores.double() / self.temperature
