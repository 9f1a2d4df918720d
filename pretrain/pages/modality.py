"""Clinical, dermoscopic or pathological: from the bundled encoder, from colours and texture, and from the caption.

Three logits: 0 for clinical; for dermoscopic how much nearer the picture is to texts on dermoscopy than to photographs
of body parts; for pathological how much of it is coloured like haematoxylin and eosin, and finely grained. The
constants were set on training images of PAD-UFES-20 and HAM10000 (docs/pages.md has figures on others).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

CLINICAL, DERMOSCOPIC, PATHOLOGICAL = "clinical", "dermoscopic", "pathological"
MODALITIES = (CLINICAL, DERMOSCOPIC, PATHOLOGICAL)
_PARTS = ("face", "nose", "arm", "hand", "back", "chest", "leg", "foot", "nail", "scalp")
_PROMPTS = {
    CLINICAL: tuple(f"photograph of the {part}" for part in _PARTS),
    DERMOSCOPIC: (
        "a dermatoscopic image",
        "a dermoscopic photograph",
        "dermoscopy of a pigmented lesion",
        "a lesion seen through a dermatoscope",
    ),
}
_MIDDLE, _SCALE = 0.055, 0.02  # of the difference of cosines: where both are as probable, and one logit
_TISSUE, _TISSUE_SCALE = 0.8, 0.08  # the same of the share of stained, grained tissue
_FULL_STAIN, _FULL_DETAIL = 0.4, 0.035  # shares (see Looks) from which a picture counts as tissue entirely
_OF_WORDS = 4.0  # logits that a word of the caption is worth
_WORDS = {
    CLINICAL: re.compile(r"\bclinical (?:\w+ )?(?:picture|photograph|image|aspect|appearance|view)|\bklinisch", re.I),
    DERMOSCOPIC: re.compile(r"dermat?oscop|dermoscop|trichoscop|onychoscop|epiluminescen|dermatoskop|皮肤镜", re.I),
    PATHOLOGICAL: re.compile(
        r"histolog|histopath|immunohisto|ha?ematoxylin|\bH\s?&\s?E\b|\bHE\b|eosin stain|photomicrograph|micrograph|"
        r"immunofluorescence|biopsy specimen|original magnification|[×x]\s?\d{2,4}\b|组织病理|病理",
        re.I,
    ),
}


class ModalityReader:
    """Computes the modality logits of pictures.

    Args:
        encoder: `zsderm-mini`; the constants do not apply to other encoders.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._texts: np.ndarray | None = None  # (2, D) unit rows

    def logits(self, images: Sequence[Image.Image], looks: Sequence[Mapping[str, float]]) -> list[tuple[float, ...]]:
        """Three numbers for each picture, in the order of `MODALITIES`.

        Args:
            images: N pictures.
            looks: of each, see `zsderm.pretrain.pages.looks`.
        """
        if not images:
            return []
        if self._texts is None:
            rows = [self._encoder.encode_texts(prompts).numpy().mean(axis=0) for prompts in _PROMPTS.values()]
            self._texts = np.stack([row / np.linalg.norm(row) for row in rows])
        cosines = self._encoder.encode_images(images).numpy() @ self._texts.T  # (N, 2)
        return [
            (0.0, _two((near[1] - near[0] - _MIDDLE) / _SCALE), _two((tissue(one) - _TISSUE) / _TISSUE_SCALE))
            for near, one in zip(cosines, looks, strict=True)
        ]


def tissue(looks: Mapping[str, float]) -> float:
    """How much a picture looks like stained tissue under a microscope, from 0 to 1."""
    return min(1.0, looks["stain"] / _FULL_STAIN) * min(1.0, looks["detail"] / _FULL_DETAIL)


def modality_of(logits: Sequence[float], caption: str) -> tuple[str, float]:
    """The modality of a picture and its probability, by its logits and by what its caption names.

    Args:
        logits: three, of `ModalityReader`.
        caption: of the picture; if it names several modalities, none of them counts.
    """
    named = [place for place, kind in enumerate(MODALITIES) if _WORDS[kind].search(caption)]
    values = np.clip(np.asarray(logits or (0.0, 0.0, 0.0), float), -6, 6)
    if len(named) == 1:
        values[named[0]] += _OF_WORDS
    shares = np.exp(values - values.max())
    shares /= shares.sum()
    best = int(shares.argmax())
    return MODALITIES[best], round(float(shares[best]), 3)


def _two(value: float) -> float:
    return round(float(value), 2)
