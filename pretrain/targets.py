"""What counts as a right answer for the images of a batch, as tensors for `make_loss`."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE
from zsderm.pretrain.data.dataset import Batch
from zsderm.pretrain.data.diagnoses import Diagnoses
from zsderm.pretrain.distributed import ALONE, Group

NO_TEXT = 0  # the number of a caption that does not exist


class Targets(NamedTuple):
    """Two arguments of `make_loss`."""

    affinity: Tensor  # (b, K) float32
    about: Tensor  # (b, T) int64


def targets_of(batch: Batch, diagnoses: Diagnoses, soft: bool, device: torch.device, group: Group = ALONE) -> Targets:
    """The diagnoses that hold for the images of a batch, and those that its captions are about.

    Captions of one wording count for each other's images, whatever they are about: see `with_equal_wordings`.

    Args:
        batch: the images of this process.
        diagnoses: those of all labels.
        soft: whether diagnoses that do not hold count by their nearness.
        device: of the result.
        group: the processes that hold the other images; each of them has to call this.
    """
    affinity = np.zeros((len(batch.labels), len(diagnoses.nodes)), dtype=np.float32)
    for row, label in enumerate(batch.labels):
        affinity[row] = diagnoses.affinity(label, soft)
    about = [diagnoses.index(name) for row in batch.about for name in row]
    wording = [_number(text) for row in batch.captions for text in row]
    own = (
        torch.from_numpy(affinity).to(device),
        torch.tensor(about, dtype=torch.int64, device=device).reshape(-1, CAPTIONS_PER_IMAGE),
        torch.tensor(wording, dtype=torch.int64, device=device).reshape(-1, CAPTIONS_PER_IMAGE),
    )
    ranks = torch.full((len(affinity),), group.rank, device=device)
    mine = group.gather(ranks) == group.rank  # (B,)
    whole = with_equal_wordings(*(group.gather(rows) for rows in own))
    return Targets(whole.affinity[mine], whole.about[mine])


def with_equal_wordings(affinity: Tensor, about: Tensor, wording: Tensor) -> Targets:
    """Make captions of one wording hold for each other's images, whatever they are about.

    A wording that occurs more than once becomes a diagnosis of its own where its captions are about different ones, or
    about their image alone ("located on the nose"), or about one that does not hold for their image. It holds for an
    image as far as any of its captions does.

    Args:
        affinity: (B, K) float, of the whole batch.
        about: (B, T) int64, of the whole batch.
        wording: (B, T) int64, equal for equal captions; `NO_TEXT` where there is none.

    Returns:
        (B, K + E) and (B, T), with one more diagnosis for each of E wordings.
    """
    images, diagnoses = affinity.shape
    image, place = (wording != NO_TEXT).nonzero(as_tuple=True)  # (V,), of each caption
    subject = about[image, place]  # (V,)
    _, kind, count = wording[image, place].unique(return_inverse=True, return_counts=True)  # (V,) and (U,)
    smallest = torch.full_like(count, diagnoses).scatter_reduce(0, kind, subject, "amin")  # (U,)
    largest = torch.full_like(count, -1).scatter_reduce(0, kind, subject, "amax")
    known = F.pad(affinity, (0, 1))[image, subject]  # (V,), for its own image; -1 is the padding
    least = torch.ones_like(count, dtype=known.dtype).scatter_reduce(0, kind, known, "amin")  # (U,)
    added = (count > 1) & ((smallest < largest) | (least < 1.0))  # (U,)
    new = added[kind]  # (V,)
    image, place, subject = image[new], place[new], subject[new]
    column = (added.cumsum(0) - 1)[kind[new]]  # (V',), in [0, E)

    more = affinity.new_zeros(images, int(added.sum()))  # (B, E)
    some = subject >= 0
    more.scatter_reduce_(1, column[some].expand(images, -1), affinity[:, subject[some]], "amax")
    more[image, column] = 1.0
    about = about.index_put((image, place), diagnoses + column)
    return Targets(torch.cat([affinity, more], dim=1), about)


def _number(text: str) -> int:
    """The same number for equal texts, in every process."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True) if text else NO_TEXT
