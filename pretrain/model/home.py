"""Measure where an encoder is at home: home.safetensors, from the images that it was trained with.

Letters: N images, D embedding width, A axes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from zsderm.encoders.home import EncoderHome
from zsderm.errors import PretrainingDataError

log = logging.getLogger(__name__)

AXES = 48  # of 24 to 96 the number that tells made pictures from PAD dev best for zsderm-mini (its CARD.md)
LEVELS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)  # of the stored quantiles
STRANGE = 0.001  # one training image in a thousand is less familiar than the threshold; of unseen ones CARD.md tells
LEAST_IMAGES = 50  # fewer say nothing about directions
MOST_IMAGES = 20_000  # more of them move nothing and would have to be embedded
FLOOR = 1e-10  # of a variance: of rows of unit length, less is rounding


def measure_home(features: Tensor, tables: Sequence[str], fingerprint: str) -> EncoderHome:
    """The home of an encoder, from the embeddings of its training images; every table counts alike.

    Args:
        features: (N, D) unit rows.
        tables: N names, the table that each image comes from.
        fingerprint: of the encoder.

    Raises:
        PretrainingDataError: fewer images than say anything.
    """
    if len(features) < LEAST_IMAGES:
        raise PretrainingDataError(
            f"Expected at least {LEAST_IMAGES} training images that can be read, but got {len(features)}."
        )
    rows = features.double()
    names = sorted(set(tables))
    member = torch.tensor([names.index(table) for table in tables])  # (N,)
    weights = (1.0 / member.bincount().double() / len(names))[member]  # (N,), sums to 1
    mean = weights @ rows  # (D,)
    away = rows - mean
    variances, directions = torch.linalg.eigh((away.T * weights) @ away)  # ascending
    count = min(AXES, rows.shape[1], len(features) - 1)
    kept = variances.flip(0).clamp(min=FLOOR)
    left = kept[count:]
    home = EncoderHome(
        mean=mean.float(),
        axes=directions.flip(1)[:, :count].T.contiguous().float(),
        variances=kept[:count].float(),
        rest=float(left.mean()) if len(left) else math.inf,
        levels=LEVELS,
        quantiles=torch.zeros(len(LEVELS)),
        familiarity_mean=0.0,
        threshold=-math.inf,
        images=len(features),
        encoder=fingerprint,
    )
    familiar = home.familiarity(features).double()  # (N,)
    return EncoderHome(
        **{
            **vars(home),
            "quantiles": torch.tensor([_quantile(familiar, weights, level) for level in LEVELS]),
            "familiarity_mean": float(weights @ familiar),
            "threshold": _quantile(familiar, weights, STRANGE),
        }
    )


def _quantile(values: Tensor, weights: Tensor, level: float) -> float:
    """The least value that, with all below it, has a share of `level` of the weight."""
    order = values.argsort()
    reached = weights[order].cumsum(0) >= level - 1e-12
    return float(values[order][reached][0]) if bool(reached.any()) else float(values.max())
