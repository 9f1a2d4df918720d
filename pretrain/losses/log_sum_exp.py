"""The log-sum-exp over all candidates in a contrastive loss, computed in chunks to save memory.

m rows of this process against M columns of the whole batch. The (m, M) logits are computed a few rows at a time, and
each chunk's gradient is computed in the same pass from the same softmax, so that only tensors of the size of the inputs
are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK = 1 << 21  # logits in one chunk: 8 MB of float32


def log_normaliser(
    rows: Tensor,
    columns: Tensor,
    share: Tensor,
    logit_scale: Tensor | float,
    left_out: Callable[[slice], Tensor] | None = None,
) -> Tensor:
    """Sum over rows of share_i * log sum_j exp(logit_scale * row_i . column_j), over all columns or over some.

    Args:
        rows: (m, D) float.
        columns: (M, D) float; without any, the sum is taken as zero.
        share: (m,) float; no gradient flows through it.
        logit_scale: inverse temperature, scalar.
        left_out: for a slice of c rows a (c, M) bool tensor, True at columns that do not count for a row; each row
            keeps at least one. None: all columns count.

    Returns:
        A scalar, differentiable once with regard to rows, columns and logit_scale.
    """
    scale = torch.as_tensor(logit_scale, dtype=rows.dtype, device=rows.device)
    return _LogNormaliser.apply(rows, columns, share.detach(), scale, left_out)


def parts(rows: int, numbers: int, chunk: int) -> Iterator[slice]:
    """Slices of `rows` rows that hold about `chunk` numbers each, `numbers` in a row."""
    step = max(1, chunk // max(1, numbers))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


class _LogNormaliser(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        columns: Tensor,
        share: Tensor,
        scale: Tensor,
        left_out: Callable[[slice], Tensor] | None,
    ) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        to_rows, to_columns = torch.zeros_like(rows), torch.zeros_like(columns)
        scaled, loss = scale * rows, scale.new_zeros(())
        for part in parts(len(rows) if len(columns) else 0, len(columns), CHUNK):
            logits = scaled[part] @ columns.T  # (c, M)
            if left_out is not None:
                logits.masked_fill_(left_out(part), -torch.inf)
            largest = logits.amax(dim=1)  # (c,)
            total = logits.sub_(largest[:, None]).exp_().sum(dim=1)  # (c,)
            loss += (share[part] * (total.log() + largest)).sum()
            if wanted:
                softmax = logits.mul_((share[part] / total)[:, None])  # (c, M), times share
                torch.mm(softmax, columns, out=to_rows[part])
                to_columns.addmm_(softmax.T, scaled[part])
        to_scale = (to_rows * rows).sum()
        ctx.save_for_backward(to_rows.mul_(scale), to_columns, to_scale)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor, Tensor, None, Tensor, None]:
        to_rows, to_columns, to_scale = ctx.saved_tensors
        return given * to_rows, given * to_columns, None, given * to_scale, None
