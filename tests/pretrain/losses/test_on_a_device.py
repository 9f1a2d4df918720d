"""The losses compute where their features are: nothing is made without saying where, and a GPU gives the same.

`torch.device("meta")` as a context sends there what is made without a device: it has no storage, so it cannot join in.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zsderm.benchmarks.speed.make_loss import FORMS, Inputs
from zsderm.pretrain.losses.make import make_loss

B, P, T, D = 6, 5, 5, 8
GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))


def loss_and_gradients(device: str) -> list[Tensor]:
    """Of the whole objective, with captions that are missing."""
    random = torch.Generator().manual_seed(0)
    shapes = [(B, D), (B, P, D), (B, T, D)]
    leaves = [torch.randn(shape, generator=random, device="cpu").to(device).requires_grad_() for shape in shapes]
    mask = (torch.rand(B, T, generator=random, device="cpu") < 0.8).to(device)
    scale = torch.tensor(3.0, device=device, requires_grad=True)
    loss = make_loss(*leaves, mask, scale.exp(), sigma=0.1)
    loss.total.backward()
    return [loss.total.detach(), loss.local.detach(), *(leaf.grad for leaf in (*leaves, scale))]


def test_nothing_is_made_without_saying_where() -> None:
    expected = loss_and_gradients("cpu")
    with torch.device("meta"):
        found = loss_and_gradients("cpu")
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("device", [GPU])
def test_a_gpu_gives_the_same(device: str) -> None:
    for one, other in zip(loss_and_gradients(device), loss_and_gradients("cpu"), strict=True):
        assert one.device.type == device
        torch.testing.assert_close(one.cpu(), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", list(FORMS))
def test_the_two_forms_that_are_timed_too(form: str) -> None:
    inputs = Inputs(B, T, P, D, 0.8)
    expected = inputs.loss(form, "both").item()
    with torch.device("meta"):
        assert inputs.loss(form, "both").item() == expected
