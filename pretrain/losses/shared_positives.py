"""Captions that hold for other images too, and are no wrong answers for them.

A caption of a disease is true of every image of that disease. K diagnoses; `affinity` says how far each of them holds
for an image, `about` which of them a caption is written about. The weight of image b and caption c is then

    A[b, c] = 1 where c is a caption of b, else affinity[b, about[c]], and 0 where c holds for its own image alone.

Neither A nor anything else of size (images, captions) is formed: what images and captions of one diagnosis have in
common is summed once for each diagnosis, and corrected for the captions of the image itself.

Sources: targets shared within a label: UniCL (arXiv 2204.03610), SupCon (arXiv 2004.11362); targets by distance in an
ontology, mixed with those of one image alone: O-MAKE (arXiv 2512.03445).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from zsderm.pretrain.distributed import Group

HOLDS = 1.0  # affinity from which a diagnosis is true of an image, not only near to one that is


@dataclass(frozen=True)
class Positives:
    """What the captions of a batch are about, and the images that it holds for.

    Attributes:
        affinity: (b, K) float >= 0: how far each diagnosis holds for each image; 1 where it is true.
        about: (b, T) int64 in [-1, K): the diagnosis that each caption is about; -1 where it holds for its image alone.
        mix: weight of the shared targets, in [0, 1]; the rest goes to the captions of the image itself.
    """

    affinity: Tensor
    about: Tensor
    mix: float = 1.0

    def of(self, captions: slice) -> Positives:
        """The same for some of the captions."""
        return replace(self, about=self.about[:, captions])

    @property
    def closed(self) -> tuple[Tensor, Tensor]:
        """(b, K + 1) and (b, T) in [0, K]: one more diagnosis, which holds for no image, takes the place of -1."""
        last = self.affinity.shape[1]
        return F.pad(self.affinity, (0, 1)), self.about.where(self.about >= 0, last)


def shared_agreement(
    image: Tensor,
    text: Tensor,
    to_text: Tensor,
    to_image: Tensor,
    everywhere: tuple[Tensor, Tensor],
    positives: Positives,
    group: Group,
) -> Tensor:
    """Sum over images b and captions c of (q[b, c] + r[c, b]) * image_b . text_c, the targets of both directions.

    An image has as much weight as its own captions have, m_b, and spreads it over what holds for it; so has a caption:

        q[b, c] = m_b w_c A[b, c] / sum_c' w_c' A[b, c'],    r[c, b] = v_c A[b, c] / sum_b' A[b', c].

    Args:
        image: (b, D) unit rows.
        text: (b, T, D) unit rows, finite where captions are invalid.
        to_text: (b, T) weights w of the captions for images, 0 where invalid; m_b is the sum of a row.
        to_image: (b, T) weights v of the captions for themselves, 0 where invalid.
        everywhere: images (B, D) and texts (B, T, D) of all processes.
        positives: which diagnosis holds for what.
        group: the processes that hold the other B - b images.

    Returns:
        A scalar: the share of this process's images and captions.
    """
    images, texts = everywhere
    affinity, about = positives.closed
    affinity = affinity.to(image.dtype)  # (b, K + 1)
    own = 1.0 - affinity.gather(1, about)  # (b, T): what captions of the image itself lack to weight 1
    least = torch.finfo(image.dtype).tiny

    weights, subjects = group.gather(to_text), group.gather(about)  # (B, T)
    size = affinity.shape[1]
    per_diagnosis = _sums(weights[..., None] * texts, subjects, size)  # (K + 1, D)
    lacking = own * to_text  # (b, T)
    target = affinity @ per_diagnosis + torch.einsum("bt,btd->bd", lacking, text)  # (b, D)
    reached = affinity @ _sums(weights[..., None], subjects, size)[:, 0] + lacking.sum(1)  # (b,)
    to_texts = (to_text.sum(1) / reached.clamp_min(least) * (image * target).sum(1)).sum()

    affinities = group.gather(affinity)  # (B, K + 1)
    share = to_image / (affinities.sum(0)[about] + own).clamp_min(least)  # (b, T)
    common = (_sums(share[..., None] * text, about, size) * (affinities.T @ images)).sum()
    to_images = common + (share * own * torch.einsum("bd,btd->bt", image, text)).sum()
    return to_texts + to_images


def left_out(caption_mask: Tensor, positives: Positives, group: Group) -> Callable[[slice], Tensor]:
    """For valid captions of this process, the captions of other images that hold for their image too.

    Args:
        caption_mask: (b, T) bool; m valid captions here, M in all processes.
        positives: which diagnosis holds for what; `about` of these captions.
        group: the processes that hold the other images.

    Returns:
        A function from a slice of the m captions, c of them, to (c, M) bool.
    """
    affinity, about = positives.closed
    holds = affinity >= HOLDS  # (b, K + 1)
    everywhere = group.gather(caption_mask)  # (B, T)
    rows = torch.arange(len(about), device=about.device)[:, None].expand_as(about)  # (b, T)
    numbers = rows * group.size + group.rank  # of an image, in all processes
    subject, image = group.gather(about)[everywhere], group.gather(numbers)[everywhere]  # (M,)
    row, number = rows[caption_mask], numbers[caption_mask]  # (m,)
    return lambda part: holds[row[part]][:, subject] & (number[part, None] != image)  # (c, M)


def _sums(rows: Tensor, about: Tensor, size: int) -> Tensor:
    """(size, D): rows (b, T, D), added up by what they are about (b, T)."""
    flat = rows.flatten(0, 1)
    return flat.new_zeros(size, flat.shape[1]).index_add(0, about.flatten(), flat)
