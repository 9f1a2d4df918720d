from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from zsderm.pretrain.losses import attended_regions, log_sum_exp
from zsderm.pretrain.losses.make import local_alignment_loss

B, S, P, D = 5, 4, 6, 7
SIGMA = 0.15


def batch(seed: int = 0) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(seed)
    mask = torch.rand(B, S, generator=random) > 0.3
    mask[2] = False
    patch = 3 * torch.randn(B, P, D, generator=random, dtype=torch.float64)
    text = normalize(torch.randn(B, S, D, generator=random, dtype=torch.float64), dim=-1)
    return patch, text, mask, torch.rand(B, S, generator=random, dtype=torch.float64)


def plain(
    patch: torch.Tensor, text: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """The formula as it is written, differentiated by torch: all patches, all cosines at once."""
    unit = normalize(patch, dim=-1)
    cosine = torch.einsum("bpd,bsd->bsp", unit, text)
    attention = torch.where(cosine >= SIGMA, cosine, torch.zeros_like(cosine))
    region = normalize(torch.einsum("bsp,bpd->bsd", attention, unit), dim=-1)[mask]
    losses = cross_entropy(scale * region @ text[mask].T, torch.arange(int(mask.sum())), reduction="none")
    return (losses * weights[mask]).sum() / weights[mask].sum()


@pytest.mark.parametrize("chunk", [1, 50, 1 << 21])
@pytest.mark.parametrize("seed", range(3))
def test_chunks_give_the_loss_and_the_gradients_of_the_plain_form(
    chunk: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sum_exp, "CHUNK", chunk)
    monkeypatch.setattr(attended_regions, "CHUNK", chunk)
    patch, text, mask, weights = batch(seed)
    leaves = [patch.requires_grad_(), text.requires_grad_(), torch.tensor(9.0, dtype=torch.float64).requires_grad_()]
    ours = local_alignment_loss(patch, text, mask, weights, leaves[2], SIGMA)
    theirs = plain(patch, text, mask, weights, leaves[2])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    for mine, twin in zip(torch.autograd.grad(ours, leaves), torch.autograd.grad(theirs, leaves), strict=True):
        torch.testing.assert_close(mine, twin, rtol=0, atol=1e-12)


def test_the_length_of_a_patch_does_not_matter() -> None:
    patch, text, mask, weights = batch()
    long = patch * torch.rand(B, P, 1, dtype=torch.float64).add(0.1)
    torch.testing.assert_close(
        local_alignment_loss(long, text, mask, weights, 9.0, SIGMA),
        local_alignment_loss(patch, text, mask, weights, 9.0, SIGMA),
    )


def test_half_precision_patches_keep_their_type_in_the_gradient() -> None:
    patch, text, mask, weights = batch()
    half = patch.bfloat16().requires_grad_()
    loss = local_alignment_loss(half, text.float(), mask, weights.float(), 9.0, SIGMA)
    (gradient,) = torch.autograd.grad(loss, [half])
    assert loss.dtype == torch.float32 and gradient.dtype == torch.bfloat16
    exact = half.detach().float().requires_grad_()
    twin = local_alignment_loss(exact, text.float(), mask, weights.float(), 9.0, SIGMA)
    torch.testing.assert_close(loss, twin)
    torch.testing.assert_close(gradient, torch.autograd.grad(twin, [exact])[0].bfloat16())


def test_arguments_are_left_unchanged() -> None:
    before = batch()
    given = [tensor.clone() for tensor in before]
    local_alignment_loss(given[0].requires_grad_(), *given[1:], 9.0, SIGMA).backward()
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))
