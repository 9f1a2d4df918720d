"""InMaP: an even mix where it is asked for, the labels as they are where it is not."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize

from zsderm.benchmarks.baselines.inmap import inmap
from zsderm.proxies import refine


def one_cluster(images: int = 90, width: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of one class only, and text proxies of which the first is theirs."""
    generator = torch.Generator().manual_seed(0)
    centre = normalize(torch.randn(width, generator=generator), dim=0)
    noise = torch.randn(images, width, generator=generator) / width**0.5
    other = torch.randn(2, width, generator=generator) / width**0.5
    return normalize(centre + 0.5 * noise, dim=1), normalize(torch.stack([centre, *(0.5 * centre + other)]), dim=1)


def test_even_labels_cut_one_class_into_all() -> None:
    """The weakness that the table shows: a folder of one class comes back as three."""
    images, text = one_cluster()
    shares = torch.bincount(inmap(images, text).argmax(dim=1), minlength=3) / len(images)
    assert shares.max() < 0.6
    assert (inmap(images, text, even=False).argmax(dim=1) == 0).float().mean() > 0.95


def test_agrees_with_our_refinement_to_a_uniform_mix() -> None:
    """The same labels and the same descent, but for 20 sweeps where ours runs to its tolerance."""
    images, text = one_cluster()
    ours = refine(images, text, "uniform").scores.argmax(dim=1)
    assert (inmap(images, text).argmax(dim=1) == ours).float().mean() > 0.9
