"""ZLaP: the graph equation, solved the slow way with one dense matrix, and an image that nothing reaches."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.baselines.zlap import DAMPING, NEIGHBOURS, TEXT_POWER, zlap


def slow_zlap(images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """One dense graph of all nodes, texts first, and one linear solve."""
    images, texts = images.double(), texts.double()
    total = len(texts) + len(images)
    graph = torch.zeros(total, total, dtype=torch.float64)
    for n, image in enumerate(images):
        node = len(texts) + n
        for neighbour in (images @ image).argsort(descending=True)[:NEIGHBOURS].tolist():
            if neighbour != n:
                graph[node, len(texts) + neighbour] += float((images[neighbour] @ image).clamp_min(0))
        for text in (texts @ image).argsort(descending=True)[:NEIGHBOURS].tolist():
            graph[node, text] += float((texts[text] @ image).clamp_min(0)) ** TEXT_POWER
    graph = graph + graph.T
    root = graph.sum(dim=1).rsqrt()
    system = torch.eye(total, dtype=torch.float64) - DAMPING * root[:, None] * graph * root
    arrived = torch.linalg.solve(system, torch.eye(total, dtype=torch.float64)[:, : len(texts)])[len(texts) :]
    return (arrived / arrived.sum(dim=1, keepdim=True)).float()


def test_agrees_with_its_slow_twin() -> None:
    generator = torch.Generator().manual_seed(0)
    images = normalize(torch.randn(40, 6, generator=generator) + 1, dim=1)
    texts = normalize(torch.randn(7, 6, generator=generator) + 1, dim=1)
    torch.testing.assert_close(zlap(images, texts), slow_zlap(images, texts), atol=1e-6, rtol=0)


def test_an_image_that_nothing_reaches_gets_even_shares() -> None:
    images = torch.eye(4)[:3]
    texts = -torch.eye(4)[:2]
    torch.testing.assert_close(zlap(images, texts), torch.full((3, 2), 0.5))
