"""Labels from text scores: those of transport, whether the scores are kept or made again."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from zsderm.proxies import transport
from zsderm.proxies.text_labels import TextLabels


def test_labels_are_those_of_transport_and_each_row_sums_to_1() -> None:
    generator = torch.Generator().manual_seed(0)
    images, proxies = (normalize(torch.randn(count, 16, generator=generator), dim=1) for count in (200, 5))
    plan = transport(images @ proxies.T, [3.0, 0, 1, 1, 1])
    for scores in (None, images @ proxies.T):
        labels = TextLabels(proxies, 0.01, plan.potentials, images, scores).of(images)
        torch.testing.assert_close(labels, plan.labels, atol=1e-5, rtol=0)
        torch.testing.assert_close(labels.sum(dim=1), torch.ones(200))
        assert (labels[:, 1] == 0).all()
    kept = TextLabels(proxies, 0.01, plan.potentials, images, images @ proxies.T)
    for others in (images[:3], images.flip(0)):
        expected = plan.labels[:3] if len(others) == 3 else plan.labels.flip(0)
        torch.testing.assert_close(kept.of(others), expected, atol=1e-5, rtol=0)
