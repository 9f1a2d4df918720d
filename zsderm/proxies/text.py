"""Class proxies that have only read: means of description embeddings, and which descriptions to keep.

Letters: N images, C classes, M descriptions, K descriptions kept per class, D embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import normalize

from zsderm.errors import SettingsError
from zsderm.proxies.arrays import Array, finite_rows

ClassOf = Sequence[int] | torch.Tensor | np.ndarray
_SMALLEST_LENGTH = 1e-6  # below it the direction of a mean of unit rows is rounding noise


def text_proxies(description_features: Array, class_of: ClassOf, class_count: int) -> torch.Tensor:
    """Average each class's descriptions and put the mean back on the unit sphere.

    Args:
        description_features: (M, D) unit rows, any float type.
        class_of: (M,) the class of each description, 0 to C - 1, in any order.
        class_count: C.

    Returns:
        (C, D) float32 unit rows.

    Raises:
        SettingsError: when a class has no description, or its descriptions cancel out.

    Source: KPL (arXiv 2501.11231), the text proxies.
    """
    features, owners = _checked(description_features, class_of, class_count)
    sums = torch.zeros(class_count, features.shape[1]).index_add_(0, owners, features)  # (C, D)
    counts = torch.bincount(owners, minlength=class_count)  # (C,)
    means = sums / counts[:, None]
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
    image_features: Array, description_features: Array, class_of: ClassOf, class_count: int, k: int
) -> torch.Tensor:
    """Score each image alone: the mean cosine of its own K nearest descriptions of each class.

    The score of an image does not depend on the images beside it.

    Args:
        image_features: (N, D) unit rows.
        description_features: (M, D) unit rows.
        class_of: (M,) the class of each description.
        class_count: C.
        k: how many to average per class, at least 1; clipped per class.

    Returns:
        (N, C) float32 mean cosines.

    Raises:
        SettingsError: when a class has no description, k is below 1, or shapes do not fit together.
    """
    features, owners = _checked(description_features, class_of, class_count)
    _check_k(k)
    images = finite_rows(image_features, "image features")
    columns = []
    for class_index in range(class_count):
        cosines = images @ features[owners == class_index].T  # (N, descriptions of this class)
        columns.append(cosines.topk(min(k, cosines.shape[1]), dim=1).values.mean(dim=1))
    return torch.stack(columns, dim=1)  # (N, C)


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


def _check_k(k: int) -> None:
    if k < 1:
        raise SettingsError(f"Expected k to be 1 or more, but got {k}.")
