"""The graph of nearest images that transductive methods smooth over."""

from __future__ import annotations

import torch


def nearest_images(images: torch.Tensor, count: int) -> torch.Tensor:
    """Connect each image with the images that are most similar to it.

    Args:
        images: (N, D) unit rows.
        count: neighbours per image, itself not among them; fewer where there are fewer.

    Returns:
        (N, N) sparse cosines, one row per image; cosines below 0 count as 0.
    """
    total = len(images)
    cosines = images @ images.T  # (N, N)
    cosines.fill_diagonal_(-torch.inf)
    values, columns = cosines.topk(min(count, total - 1), dim=1)
    rows = torch.arange(total)[:, None].expand_as(columns)
    indices = torch.stack([rows.flatten(), columns.flatten()])
    return torch.sparse_coo_tensor(
        indices, values.clamp_min(0).flatten(), (total, total), check_invariants=True
    ).coalesce()
