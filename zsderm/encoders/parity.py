"""Whether an engine gives what the original gives: cosines and first answers on photographs, and what is required."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from zsderm.errors import InputError

LEAST_IMAGES = 20
# The least cosine that any photograph may have between engine and original, and the share of photographs whose first
# answer has to stay the same. Measured values of each engine are in docs/encoders.md.
COSINES = {"fp32": 0.9999, "bf16": 0.999, "int8": 0.99}
AGREEMENT = 0.95


@dataclass(frozen=True)
class Parity:
    """What an engine kept of the original.

    Attributes:
        images: N.
        classes: C, among which the first answer is.
        least_cosine: the worst of the N cosines between engine and original.
        mean_cosine: their mean.
        agreement: share of images with the same first answer.
        speed: images per second of the engine over those of the original, image towers alone.
    """

    images: int
    classes: int
    least_cosine: float
    mean_cosine: float
    agreement: float
    speed: float

    def passes(self, precision: str) -> bool:
        """Whether cosines and agreement are at least what a precision requires."""
        return self.least_cosine >= COSINES[precision] and self.agreement >= AGREEMENT

    def rounded(self) -> dict[str, float]:
        """All figures, for a file."""
        return {key: round(value, 5) for key, value in asdict(self).items()}

    def __str__(self) -> str:
        return (
            f"{self.images} images: cosine {self.least_cosine:.5f} at least, {self.mean_cosine:.5f} on average; "
            f"the same first answer of {self.classes} for {self.agreement:.1%}; {self.speed:.2f} times as fast"
        )


def check_count(images: int) -> None:
    """Refuse to compare on too few photographs.

    Raises:
        InputError: too few to tell.
    """
    if images < LEAST_IMAGES:
        raise InputError(f"expected at least {LEAST_IMAGES} photographs to compare on, but got {images}")


def compare(rows: torch.Tensor, expected: torch.Tensor, texts: torch.Tensor, speed: float) -> Parity:
    """Compare the rows of an engine with those of the original.

    Args:
        rows: (N, D) unit rows of the engine.
        expected: (N, D) unit rows of the original.
        texts: (C, D) unit rows, one a class.
        speed: images per second of the engine over those of the original.

    Raises:
        InputError: too few images to tell.
    """
    check_count(len(rows))
    cosines = (rows * expected).sum(dim=1)  # (N,)
    same = (rows @ texts.T).argmax(dim=1) == (expected @ texts.T).argmax(dim=1)  # (N,)
    return Parity(
        images=len(rows),
        classes=len(texts),
        least_cosine=min(float(cosines.min()), 1.0),
        mean_cosine=min(float(cosines.mean()), 1.0),
        agreement=float(same.float().mean()),
        speed=speed,
    )
