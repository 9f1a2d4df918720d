"""Which sentences of a class may stand beside a photograph: those that say what such a picture can show.

A sentence on a body site, on skin tone, on how many there are or on a rival may be true of the disease and false of the
photograph beside it. So evidence is what shows in the lesion, in the kind of picture that was given.

Letters: N images, D embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from zsderm.embeddings import embed_texts
from zsderm.knowledge.base import Description
from zsderm.knowledge.body_sites import agrees, contradicts
from zsderm.proxies import text_proxies

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

CLINICAL, DERMOSCOPIC, UNSURE = "clinical", "dermoscopic", "unsure"
# Beside a picture of unknown kind stand signs for photographs: colours and outlines show in a dermoscopic picture as
# well, while a network or globules cannot be seen in a photograph.
_MODALITIES = {
    CLINICAL: ("clinical", "either"),
    DERMOSCOPIC: ("dermoscopic", "either"),
    UNSURE: ("clinical", "either"),
}
# What stands in where a class has no sign of the lesion, best first; a sentence on a rival never does.
_STAND_INS = {"lesion": 0, "course": 2, "number": 2, "place": 2, "skin": 3}
_WORDINGS = (
    (
        "a clinical photograph of a skin lesion",
        "a close-up photograph of a skin lesion",
        "a smartphone photo of a skin lesion",
    ),
    (
        "a dermoscopic image of a skin lesion",
        "a skin lesion under the dermatoscope",
        "a magnified view of a skin lesion in polarised light",
    ),
)
SURE = 0.95  # share of one kind from which an encoder is believed


@dataclass(frozen=True, eq=False)
class PictureKinds:
    """Tells photographs from dermoscopic pictures by what an encoder makes of words for them.

    Attributes:
        rows: (2, D) float32 unit rows, for photographs and for dermoscopic pictures.
        temperature: the encoder's.
    """

    rows: torch.Tensor
    temperature: float

    @classmethod
    def read(cls, encoder: Encoder, cache: str | Path | None = None) -> PictureKinds:
        """What an encoder makes of the words; `cache` is a folder that keeps embeddings."""
        texts = [text for wordings in _WORDINGS for text in wordings]
        owners = [kind for kind, wordings in enumerate(_WORDINGS) for _ in wordings]
        return cls(text_proxies(embed_texts(encoder, texts, cache=cache), owners, 2), encoder.temperature)

    def of(self, features: torch.Tensor) -> list[str]:
        """For each image, (N, D) float32 unit rows: CLINICAL or DERMOSCOPIC where the encoder is sure, else UNSURE."""
        dermoscopic = (features @ self.rows.T / self.temperature).softmax(dim=1)[:, 1]  # (N,)
        return [DERMOSCOPIC if p >= SURE else CLINICAL if p <= 1 - SURE else UNSURE for p in dermoscopic.tolist()]


def fitting(descriptions: Sequence[Description | None], kind: str, region: str = "") -> tuple[list[int], bool]:
    """Which descriptions of one class may stand beside a picture.

    Those of the lesion that the kind of picture shows, and those on a place that lies in its region, where that is
    known. Where a class has none, the first of these that it has: signs of the lesion in the other kind of picture
    (beside a dermoscopic picture), then what the right kind shows of course, number or place, then of skin tone, then
    the rest. Never one on a rival, nor on a place outside of a known region.

    Args:
        descriptions: of one class; None stands for a sentence that holds only its name, which always fits.
        kind: CLINICAL, DERMOSCOPIC or UNSURE.
        region: of the body, such as "FACE"; empty: unknown.

    Returns:
        Their places in the list, and whether they only stand in.
    """
    ranks = [0 if one is None else _rank(one, kind, region) for one in descriptions]
    best = min((rank for rank in ranks if rank is not None), default=None)
    return [place for place, rank in enumerate(ranks) if rank is not None and rank == best], bool(best)


def _rank(description: Description, kind: str, region: str) -> int | None:
    """0 for what fits, more for what may stand in, None for what never does."""
    rank = _STAND_INS.get(description.shows)
    if rank is not None and description.shows == "place" and region:
        rank = None if contradicts(description.text, region) else 0 if agrees(description.text, region) else rank
    if rank is None:
        return None
    if description.modality in _MODALITIES[kind]:
        return rank
    return rank + (1 if kind == DERMOSCOPIC else 4)
