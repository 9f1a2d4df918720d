"""Corrections from scores alone: the totals they promise, and the published fixed point."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.baselines.prior_shift import estimated_mix, flattened_mix


def drawn(images: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    means = normalize(torch.randn(3, 12, generator=generator), dim=1)
    truth = torch.multinomial(torch.tensor([0.8, 0.15, 0.05]), images, replacement=True, generator=generator)
    noise = torch.randn(images, 12, generator=generator) / 12**0.5
    return normalize(means[truth] + noise, dim=1), means


def test_flattened_totals_are_the_predicted_mix_to_the_power() -> None:
    images, text = drawn()
    wanted = torch.softmax(images @ text.T / 0.1, dim=1).mean(dim=0) ** 0.8
    torch.testing.assert_close(flattened_mix(images, text, 0.1).mean(dim=0), wanted / wanted.sum(), atol=1e-4, rtol=0)


def test_the_estimated_mix_reproduces_itself() -> None:
    images, text = drawn()
    posterior = estimated_mix(images, text, 0.1)
    weighted = torch.softmax(images @ text.T / 0.1, dim=1) * posterior.mean(dim=0)
    again = weighted / weighted.sum(dim=1, keepdim=True)
    torch.testing.assert_close(again, posterior, atol=1e-3, rtol=0)


def test_the_estimated_mix_finds_a_skew() -> None:
    images, text = drawn()
    plain = torch.softmax(images @ text.T / 0.1, dim=1).mean(dim=0)
    assert estimated_mix(images, text, 0.1).mean(dim=0)[0] > plain[0]
