"""The neighbour graph: nearest first, never oneself, no negative edge."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.baselines.neighbours import nearest_images


def test_joins_each_image_to_the_images_most_like_it() -> None:
    images = normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    graph = nearest_images(images, 4).to_dense()
    for n, row in enumerate(graph):
        cosines = images @ images[n]
        nearest = [m for m in cosines.argsort(descending=True).tolist() if m != n][:4]
        expected = torch.zeros(20)
        expected[nearest] = cosines[nearest].clamp_min(0)
        torch.testing.assert_close(row, expected)


def test_a_twin_is_a_neighbour_and_oneself_is_not() -> None:
    images = torch.eye(3)[[0, 0, 1]]
    assert nearest_images(images, 1).to_dense().tolist()[:2] == [[0, 1, 0], [1, 0, 0]]


def test_fewer_images_than_neighbours() -> None:
    assert nearest_images(torch.eye(2)[:1], 5).to_dense().tolist() == [[0]]
