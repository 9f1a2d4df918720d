"""ZLaP: labels that spread from the texts over a graph of nearest neighbours.

Letters: N images, C classes, D embedding width.
"""

from __future__ import annotations

import torch

from zsderm.benchmarks.baselines.neighbours import nearest_images

NEIGHBOURS = 5
DAMPING = 0.3  # alpha: how much of a node's label comes from its neighbours
TEXT_POWER = 5.0  # gamma: evens out how much nearer images are to images than to texts
STEPS = 30  # what is left after them is below 0.3 ** 30


def zlap(image_features: torch.Tensor, text_proxies: torch.Tensor) -> torch.Tensor:
    """Propagate each class from its text over a graph of images; each image takes the class with the largest share.

    Nodes are the texts and the images. An image is joined to its nearest images by their cosine and to its nearest
    texts by their cosine to the power TEXT_POWER; the symmetric graph is normalised by the roots of the degrees, and
    labels F solve F = DAMPING * graph @ F + Y, where Y holds one text node per class.

    Args:
        image_features: (N, D) unit rows.
        text_proxies: (C, D) unit rows.

    Returns:
        (N, C) shares of what arrived, each row sums to 1; even where nothing arrived.

    Source: Stojnić, Kalantidis and Tolias 2024, Label Propagation for Zero-shot Classification with Vision-Language
    Models (arXiv 2404.04072), transductive variant. Its search for neighbours finds the image itself first, so that
    five neighbours are itself, which is then left out, and four others.
    """
    images, texts = image_features.double(), text_proxies.double()
    between = nearest_images(images, NEIGHBOURS - 1)  # (N, N) sparse
    cosines, columns = (images @ texts.T).topk(min(NEIGHBOURS, len(texts)), dim=1)
    to_text = torch.zeros(len(images), len(texts), dtype=torch.float64)
    to_text.scatter_(1, columns, cosines.clamp_min(0) ** TEXT_POWER)  # (N, C)
    both_ways = (between + between.T).coalesce()
    image_scale = _inverse_root(torch.sparse.sum(both_ways, dim=1).to_dense() + to_text.sum(dim=1))  # (N, 1)
    to_text = image_scale * to_text * _inverse_root(to_text.sum(dim=0)).T

    on_texts = torch.eye(len(texts), dtype=torch.float64)  # (C, C)
    on_images = torch.zeros_like(to_text)  # (N, C)
    for _ in range(STEPS):
        from_images = image_scale * (both_ways @ (image_scale * on_images))
        on_images, on_texts = (
            DAMPING * (from_images + to_text @ on_texts),
            DAMPING * to_text.T @ on_images + torch.eye(len(texts), dtype=torch.float64),
        )
    arrived = on_images.sum(dim=1, keepdim=True)
    return torch.where(arrived > 0, on_images / arrived.clamp_min(1e-300), 1 / len(texts)).float()


def _inverse_root(degrees: torch.Tensor) -> torch.Tensor:
    """(nodes, 1); 0 for a node without edges."""
    return torch.where(degrees > 0, degrees.clamp_min(1e-300).rsqrt(), 0.0)[:, None]
