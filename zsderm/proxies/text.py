"""Class proxies that have only read: means of description embeddings, and which descriptions to keep.

Letters: N images, C classes, M descriptions, K descriptions kept per class, D embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import normalize

from zsderm.arrays import Array, finite_rows
from zsderm.errors import SettingsError

ClassOf = Sequence[int] | torch.Tensor | np.ndarray
_IMAGES_AT_A_TIME = 4096  # bounds the memory of proxies per image
_SMALLEST_LENGTH = 1e-6  # below it the direction of a mean of unit rows is rounding noise


def text_proxies(
    description_features: Array, class_of: ClassOf, class_count: int, weights: Array | None = None
) -> torch.Tensor:
    """Average each class's descriptions and put the mean back on the unit sphere.

    Args:
        description_features: (M, D) unit rows, any float type.
        class_of: (M,) the class of each description, 0 to C - 1, in any order.
        class_count: C.
        weights: (M,) how much each description counts beside the others of its class, above 0; None: all the same.

    Returns:
        (C, D) float32 unit rows.

    Raises:
        SettingsError: when a class has no description, its descriptions cancel out, or a weight is not above 0.

    Source: KPL (arXiv 2501.11231), the text proxies.
    """
    features, owners = _checked(description_features, class_of, class_count)
    shares = torch.ones(len(owners)) if weights is None else _positive(weights, len(owners))  # (M,)
    sums = torch.zeros(class_count, features.shape[1]).index_add_(0, owners, shares[:, None] * features)  # (C, D)
    means = sums / torch.zeros(class_count).index_add_(0, owners, shares)[:, None]
    cancelled = (means.norm(dim=1) < _SMALLEST_LENGTH).nonzero().flatten().tolist()
    if cancelled:
        raise SettingsError(
            f"Expected descriptions that point somewhere on average, but those of classes {cancelled} cancel out. "
            "Check that their embeddings are unit rows of real texts."
        )
    return normalize(means, dim=1)


def batch_query(image_features: Array) -> torch.Tensor:
    """The one query that ranks descriptions for a whole batch: its mean image.

    The mean over images of x @ d equals mean(x) @ d, so ranking by this row is ranking by mean cosine; the row is
    scaled to unit length, which changes no rank.

    Args:
        image_features: (N, D) unit rows, any float type.

    Returns:
        (1, D) float32 unit row.

    Raises:
        SettingsError: when there is no image, or a feature is not finite.
    """
    images = finite_rows(image_features, "image features")
    return normalize(images.mean(dim=0, keepdim=True), dim=1)


def relevant_descriptions(
    query: Array, description_features: Array, class_of: ClassOf, class_count: int, k: int
) -> torch.Tensor:
    """Pick each class's K descriptions nearest to the query; K is clipped per class, never globally.

    Args:
        query: (1, D) unit row, for instance from `batch_query`.
        description_features: (M, D) unit rows.
        class_of: (M,) the class of each description.
        class_count: C.
        k: how many to keep per class, at least 1; a class with fewer keeps them all.

    Returns:
        (M',) rows of the descriptions kept, class by class, nearest first.

    Raises:
        SettingsError: when a class has no description, k is below 1, or shapes do not fit together.
    """
    features, owners = _checked(description_features, class_of, class_count)
    _check_k(k)
    cosines = features @ finite_rows(query, "query").flatten()  # (M,)
    kept = []
    for class_index in range(class_count):
        rows = (owners == class_index).nonzero().flatten()
        kept.append(rows[cosines[rows].topk(min(k, len(rows))).indices])
    return torch.cat(kept)


def retrieved_scores(
    image_features: Array,
    description_features: Array,
    class_of: ClassOf,
    class_count: int,
    k: int,
    name_proxies: Array | None = None,
    name_weight: float = 0.0,
) -> torch.Tensor:
    """Score each image against text proxies of its own: the mean of its K nearest descriptions of each class.

    The score of an image does not depend on the images beside it. The mean is put back on the unit sphere as in
    `text_proxies`; without that, a class whose descriptions resemble one another would score higher for it alone.

    Args:
        image_features: (N, D) unit rows.
        description_features: (M, D) unit rows.
        class_of: (M,) the class of each description.
        class_count: C.
        k: how many to average per class, at least 1; clipped per class.
        name_proxies: (C, D) unit rows to blend in, see `with_names`; None blends nothing.
        name_weight: their share, 0 to 1.

    Returns:
        (N, C) float32 cosines.

    Raises:
        SettingsError: when a class has no description, k is below 1, or shapes do not fit together.
    """
    features, owners = _checked(description_features, class_of, class_count)
    _check_k(k)
    images = finite_rows(image_features, "image features")
    names = None if name_proxies is None else finite_rows(name_proxies, "name proxies")  # (C, D)
    columns = []
    for class_index in range(class_count):
        own = features[owners == class_index]  # (M_c, D)
        name = None if names is None else names[class_index : class_index + 1]
        blocks = (
            _own_cosines(block, own, min(k, len(own)), name, name_weight) for block in images.split(_IMAGES_AT_A_TIME)
        )
        columns.append(torch.cat(list(blocks)))
    return torch.stack(columns, dim=1)  # (N, C)


def with_names(proxies: Array, name_proxies: Array, weight: float) -> torch.Tensor:
    """Blend what descriptions say of a class with what its name says, on the unit sphere.

    A description brings detail, and words that an encoder may never have met; the name is what it knows best.

    Args:
        proxies: (rows, D) unit rows, from descriptions.
        name_proxies: (rows, D) or (1, D) unit rows, from the names.
        weight: share of the names, 0 to 1.

    Returns:
        (rows, D) float32 unit rows.

    Raises:
        SettingsError: when the weight is not between 0 and 1.
    """
    if not 0 <= weight <= 1:
        raise SettingsError(f"Expected the weight of names to be between 0 and 1, but got {weight}.")
    described, names = finite_rows(proxies, "proxies"), finite_rows(name_proxies, "name proxies")
    return normalize((1 - weight) * described + weight * names, dim=1)


def _own_cosines(
    images: torch.Tensor, descriptions: torch.Tensor, k: int, name: torch.Tensor | None, name_weight: float
) -> torch.Tensor:
    """(n,) cosine of each of n images and the proxy that its k nearest of one class's descriptions make."""
    nearest = (images @ descriptions.T).topk(k, dim=1).indices  # (n, k)
    chosen = torch.zeros(len(images), len(descriptions)).scatter_(1, nearest, 1.0)  # (n, M_c)
    proxies = normalize(chosen @ descriptions, dim=1)  # (n, D)
    if name is not None:
        proxies = with_names(proxies, name, name_weight)
    return (images * proxies).sum(dim=1)


def _checked(description_features: Array, class_of: ClassOf, class_count: int) -> tuple[torch.Tensor, torch.Tensor]:
    features = finite_rows(description_features, "description features")
    owners = torch.as_tensor(class_of).to("cpu", torch.long)
    if owners.shape != (len(features),):
        raise SettingsError(
            f"Expected one class per description, shape ({len(features)},), but got shape {tuple(owners.shape)}."
        )
    if owners.min() < 0 or owners.max() >= class_count:
        raise SettingsError(
            f"Expected classes from 0 to {class_count - 1}, but got {int(owners.min())} to {int(owners.max())}."
        )
    empty = (torch.bincount(owners, minlength=class_count) == 0).nonzero().flatten().tolist()
    if empty:
        raise SettingsError(
            f"Expected at least one description per class, but classes {empty} have none. "
            "Give them a prompt of their name, as the method 'templates' does."
        )
    return features, owners


def _positive(weights: Array, count: int) -> torch.Tensor:
    shares = torch.as_tensor(weights).to("cpu", torch.float32)
    if shares.shape != (count,) or not bool((shares > 0).all()) or not bool(shares.isfinite().all()):
        raise SettingsError(f"Expected {count} weights above 0, one a description, but got {weights!r:.80}.")
    return shares


def _check_k(k: int) -> None:
    if k < 1:
        raise SettingsError(f"Expected k to be 1 or more, but got {k}.")
