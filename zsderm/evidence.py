"""Which sentences of a class may stand beside a photograph, and which of them are chosen.

A sentence on a body site, on skin tone, on how many there are or on a rival may be true of the disease and false of the
photograph beside it. So evidence is what shows in the lesion, in the kind of picture that was given.

An encoder likes some sentences of a class better than others, whatever the photograph. So sentences are chosen by what
sets a photograph apart from the others with its answer, and the class apart from the runner-up.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from zsderm.embeddings import embed_texts
from zsderm.errors import InputError
from zsderm.knowledge.base import Description
from zsderm.knowledge.body_sites import agrees, contradicts
from zsderm.modalities import CLINICAL, DERMOSCOPIC, MODALITIES, shown_in
from zsderm.predictions import Evidence
from zsderm.proxies import text_proxies

if TYPE_CHECKING:
    from zsderm.encoders import Encoder

UNSURE = "unsure"
# Beside a picture of unknown kind stand signs for photographs: colours and outlines show in a dermoscopic picture as
# well, while a network or globules cannot be seen in a photograph.
_MODALITIES = {**{kind: shown_in(kind) for kind in MODALITIES}, UNSURE: shown_in(CLINICAL)}
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
COMPANY = 8  # photographs with one answer from which on each is held against their mean; a round number, not tuned
_SAME = 1e-3  # length from which on a difference of unit rows is more than rounding


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


@dataclass(frozen=True, eq=False)
class Company:
    """The photographs that got the same answer, against which each of them is held.

    Attributes:
        means: (C, D) float32, the mean image of each answer.
        counts: (C,) int64, how many photographs have it.
    """

    means: torch.Tensor
    counts: torch.Tensor

    @classmethod
    def of(cls, features: torch.Tensor, winners: torch.Tensor, class_count: int) -> Company:
        """Of images, (N, D) float32 unit rows, and their answers, (N,) int64 below C."""
        totals = CompanyTotals(class_count, features.shape[1])
        totals.add(features, winners)
        return totals.company()

    def apart(self, features: torch.Tensor, winners: torch.Tensor) -> Iterator[torch.Tensor | None]:
        """For each image, (D,) float32, what it has beyond the mean of its answer.

        None where fewer than `COMPANY` photographs have that answer, or the image is no other than their mean.
        """
        for feature, winner in zip(features, winners.tolist(), strict=True):
            beyond = feature - self.means[winner]
            yield beyond if self.counts[winner] >= COMPANY and beyond.norm() > _SAME else None


class CompanyTotals:
    """Gathers the company of more photographs than memory holds, a part at a time.

    Args:
        class_count: C.
        width: D.
    """

    def __init__(self, class_count: int, width: int) -> None:
        self._totals = torch.zeros(class_count, width, dtype=torch.float64)
        self._counts = torch.zeros(class_count, dtype=torch.int64)

    def add(self, features: torch.Tensor, winners: torch.Tensor) -> None:
        """Add images, (n, D) float32 unit rows, and their answers, (n,) int64 below C."""
        self._totals.index_add_(0, winners, features.double())
        self._counts += torch.bincount(winners, minlength=len(self._counts))

    def company(self) -> Company:
        """The company of all that were added."""
        return Company((self._totals / self._counts.clamp(min=1)[:, None]).float(), self._counts)


def check_regions(regions: Sequence[str] | None, images: Sequence[str]) -> None:
    """Refuse what is not one region of the body for each image; None is none at all.

    Raises:
        InputError: it is not.
    """
    if regions is not None and (isinstance(regions, str) or len(regions) != len(images)):
        got = f"the text {regions[:40]!r}" if isinstance(regions, str) else len(regions)
        raise InputError(f"expected `regions` to have one entry for each of {len(images)} images, but got {got}")


def fitting(descriptions: Sequence[Description | None], kind: str, region: str = "") -> list[int]:
    """Which descriptions of one class may stand beside a picture: their places in the list, which may be none.

    Those of the lesion that the kind of picture shows, and those on a place that lies in its region, where that is
    known; never one that names other places than that.

    Args:
        descriptions: of one class; None stands for a sentence that holds only its name, which says nothing of its look.
        kind: one of MODALITIES, or UNSURE.
        region: of the body, such as "FACE"; empty: unknown.
    """
    return [place for place, one in enumerate(descriptions) if one is not None and _fits(one, kind, region)]


def _fits(description: Description, kind: str, region: str) -> bool:
    if description.modality not in _MODALITIES[kind]:
        return False
    if description.shows == "lesion":
        return not contradicts(description.text, region)
    return description.shows == "place" and agrees(description.text, region)


def on_the_same_aspects(spoken: Sequence[Evidence], others: Sequence[Evidence], count: int) -> tuple[Evidence, ...]:
    """Descriptions of another class that answer those that spoke: on the same aspects first, then the best left.

    Args:
        spoken: the winner's descriptions.
        others: descriptions of the other class, best first.
        count: how many at most.

    Returns:
        In the order of `others`; none comes twice.
    """
    left, chosen = list(range(len(others))), []
    for aspect in [text.aspect for text in spoken][:count]:
        match = next((place for place in left if others[place].aspect == aspect), None)
        if match is not None:
            left.remove(match)
            chosen.append(match)
    return tuple(others[place] for place in sorted([*chosen, *left[: count - len(chosen)]]))
