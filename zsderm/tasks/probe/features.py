"""What a probe sees of an image: the mean of the tokens of the image tower, or the ordinary embedding."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zsderm.embeddings import embed_images
from zsderm.encoders import Encoder
from zsderm.errors import SettingsError

TOKENS, EMBEDDING = FEATURES = ("tokens", "embedding")


@dataclass(frozen=True, eq=False)
class ProbeFeatures:
    """N images as a probe sees them; a failed one is a row of zeros.

    Attributes:
        rows: (N, W) float32.
        ok: (N,) bool, which images could be read.
        errors: place -> why it could not.
        of: "tokens", "map" (the tower has no tokens: the mean over its last map) or "embedding".
        fingerprint: of what made the rows.
        views: how many views of each image are averaged.
    """

    rows: NDArray[np.float32]
    ok: NDArray[np.bool_]
    errors: Mapping[int, str]
    of: str
    fingerprint: str
    views: int


def probe_features(
    encoder: Encoder,
    images: Sequence[str | Path],
    kind: str = TOKENS,
    *,
    batch_size: int = 64,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> ProbeFeatures:
    """The features of images; rows of an earlier run, even of one that was interrupted, are taken from the cache.

    Args:
        encoder: as load_encoder gives it.
        images: N paths.
        kind: "tokens": the mean of the last tokens of the image tower without the class token, of one view, in the
            tower's own width; of a tower without tokens, the mean over the places of its last map. "embedding": the
            unit row of the space shared with texts, of as many views as the encoder's card says.
        batch_size: how many images the encoder sees at a time.
        cache: see `zsderm.embeddings.embed_images`.
        progress: likewise.

    Raises:
        SettingsError: another kind.
        CheckpointError: tokens of an encoder that nothing can look into.
    """
    if kind not in FEATURES:
        raise SettingsError(f"Expected the features of a probe to be one of {', '.join(FEATURES)}, but got {kind!r}.")
    if kind == EMBEDDING:
        views = encoder.card.views
        found = embed_images(encoder, images, views=views, batch_size=batch_size, cache=cache, progress=progress)
        return ProbeFeatures(found.features, found.ok, found.errors, EMBEDDING, encoder.fingerprint, views)
    from zsderm.encoders.token_means import TokenMeanEncoder, means_of  # what looks into towers takes long to import

    inside = TokenMeanEncoder(encoder)
    found = embed_images(inside, images, batch_size=batch_size, cache=cache, progress=progress)
    return ProbeFeatures(means_of(found.features), found.ok, found.errors, inside.of, inside.fingerprint, 1)
