"""The features of a probe: the mean of the tokens of the image tower, or the embedding."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zsderm.embeddings import embed_images, embeddings_of
from zsderm.encoders import Encoder
from zsderm.errors import SettingsError

TOKENS, EMBEDDING = FEATURES = ("tokens", "embedding")


@dataclass(frozen=True, eq=False)
class ProbeFeatures:
    """The features of N images; an image that cannot be read is a row of zeros.

    Attributes:
        rows: (N, W) float32.
        ok: (N,) bool, which images could be read.
        errors: index of an image -> why it could not be read.
        of: "tokens", "map" (the mean over the last feature map of a tower without tokens) or "embedding".
        fingerprint: of the encoder, or of the tower with the mean over tokens.
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
    embeddings: str | os.PathLike[str] | None = None,
) -> ProbeFeatures:
    """Compute the features of images; rows of an earlier run, even an interrupted one, are read from the cache.

    Args:
        encoder: as load_encoder gives it.
        images: N paths.
        kind: "tokens": the mean of the last tokens of the image tower without the class token, of one view, in the
            width W of the tower; for a tower without tokens, the mean over all positions of its last feature map.
            "embedding": the unit row in the space shared with texts, averaged over as many views as the encoder's card
            states.
        batch_size: how many images the encoder sees at a time.
        cache: see `zsderm.embeddings.embed_images`.
        progress: likewise.
        embeddings: what ``zsderm embed`` wrote of these images, to be used in place of encoding them; for "embedding".

    Raises:
        SettingsError: the kind is neither, or tokens are asked of stored embeddings.
        InputError: embeddings of another encoder or number of views, or that lack some of the images.
        CheckpointError: tokens were requested from an encoder whose image tower cannot be accessed.
    """
    if kind not in FEATURES:
        raise SettingsError(f"Expected the features of a probe to be one of {', '.join(FEATURES)}, but got {kind!r}.")
    if kind == EMBEDDING:
        views = encoder.card.views
        if embeddings is not None:
            found = embeddings_of(embeddings, encoder, images, views)
            return ProbeFeatures(found.features, found.ok, found.errors, EMBEDDING, encoder.fingerprint, views)
        found = embed_images(encoder, images, views=views, batch_size=batch_size, cache=cache, progress=progress)
        return ProbeFeatures(found.features, found.ok, found.errors, EMBEDDING, encoder.fingerprint, views)
    if embeddings is not None:
        raise SettingsError(
            "Expected the features of a probe on stored embeddings to be 'embedding', but got 'tokens'."
        )
    from zsderm.encoders.token_means import TokenMeanEncoder, means_of  # what looks into towers takes long to import

    inside = TokenMeanEncoder(encoder)
    found = embed_images(inside, images, batch_size=batch_size, cache=cache, progress=progress)
    return ProbeFeatures(means_of(found.features), found.ok, found.errors, inside.of, inside.fingerprint, 1)
