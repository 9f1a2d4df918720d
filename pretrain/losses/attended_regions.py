"""The region of an image that a sentence attends to: a sum of patches, in chunks.

B images, S sentences an image, P patches, D width. Unit copies of the patches (B, P, D) would be the largest thing in a
training step; here patches are scaled as they are read, a few images at a time, with the gradient in closed form. What
is kept beside the inputs is (B, S, P), and what is given back is the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from zsderm.pretrain.losses.log_sum_exp import parts

CHUNK = 1 << 21  # numbers in one chunk of patches: 8 MB of float32
SHORTEST = 1e-12  # a patch below this length points nowhere


def attended_regions(patch: Tensor, text: Tensor, sigma: float) -> Tensor:
    """Per sentence the sum of the unit patches of its image, each weighted by its cosine where that is at least sigma.

    Args:
        patch: (B, P, D) rows of any length, of any float type.
        text: (B, S, D) unit rows, float32 or float64.
        sigma: cosine threshold.

    Returns:
        (B, S, D) in the type of the text, not normalised; differentiable once. Zero where no patch reaches sigma.
    """
    return _Regions.apply(patch, text, sigma)


class _Regions(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, patch: Tensor, text: Tensor, sigma: float) -> Tensor:
        (b, s, _), p = text.shape, patch.shape[1]
        region, cosine, inverse = torch.empty_like(text), text.new_empty(b, s, p), text.new_empty(b, 1, p)
        for part in _chunks(patch):
            rows = patch[part].to(text.dtype)  # (c, P, D)
            length = torch.linalg.vector_norm(rows, dim=-1)[:, None]  # (c, 1, P)
            inverse[part] = torch.where(length > SHORTEST, 1.0 / length.clamp_min(SHORTEST), 0.0)
            torch.bmm(text[part], rows.transpose(1, 2), out=cosine[part]).mul_(inverse[part])
            attention = torch.where(cosine[part] >= sigma, cosine[part], 0.0)  # (c, S, P)
            torch.bmm(attention.mul_(inverse[part]), rows, out=region[part])
        ctx.save_for_backward(patch, text, cosine, inverse)
        ctx.sigma = sigma
        return region

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor, Tensor, None]:
        patch, text, cosine, inverse = ctx.saved_tensors
        to_patch, to_text = torch.empty_like(patch), torch.empty_like(text)
        reached = cosine >= ctx.sigma
        both = torch.cat([given, text], dim=1)  # (b, 2S, D)
        for part in _chunks(patch):
            rows, there = patch[part].to(text.dtype), reached[part]  # (c, P, D), (c, S, P)
            attention = torch.where(there, cosine[part], 0.0)  # (c, S, P)
            to_attention = torch.bmm(given[part], rows.transpose(1, 2)).mul_(inverse[part])
            to_cosine = torch.where(there, to_attention, 0.0)
            # Of the gradient of a unit patch u, what points along u is lost; that part is this sum over sentences.
            along = (attention * to_attention + to_cosine * cosine[part]).sum(1)  # (c, P)
            factors = torch.cat([attention, to_cosine], dim=1).mul_(inverse[part])  # (c, 2S, P)
            torch.bmm(factors[:, len(factors[0]) // 2 :], rows, out=to_text[part])
            to_rows = torch.bmm(factors.transpose(1, 2), both[part])  # (c, P, D)
            to_patch[part] = to_rows.sub_(rows * (along * inverse[part, 0].square())[..., None])
        return to_patch, to_text, None


def _chunks(patch: Tensor) -> Iterator[slice]:
    return parts(len(patch), patch[0].numel() if len(patch) else 1, CHUNK)
