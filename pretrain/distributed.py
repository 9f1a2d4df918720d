"""Several processes that train one model, as torchrun starts them: nccl where there are GPUs, else gloo.

R ranks with b images each are one batch of B = R * b: every rank computes its share of the loss against the features of
all, and the gradients of the shares are added up. What a rank holds may differ in size, because an image that cannot be
read is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Ranks:
    """The processes of the default group, as the losses see them."""

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all ranks in their order, (b, ...) to (B, ...), with gradient."""
        return _Gather.apply(rows)

    def offset(self, rows: Tensor) -> int:
        """Where own rows begin among those of all ranks."""
        return sum(_sizes(rows)[: dist.get_rank()])

    def total(self, value: Tensor) -> Tensor:
        """The sum of a scalar over all ranks, without gradient."""
        value = value.detach().clone()
        dist.all_reduce(value)
        return value


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.sizes = _sizes(rows)
        as_bytes = rows.to(torch.uint8) if rows.dtype == torch.bool else rows
        # Collectives want equal shapes: rows are filled up to the longest rank's, and the filling is cut off again.
        filled = as_bytes.new_zeros(max(ctx.sizes), *rows.shape[1:])
        filled[: len(rows)] = as_bytes
        parts = [torch.empty_like(filled) for _ in ctx.sizes]
        dist.all_gather(parts, filled)
        return torch.cat([part[:size] for part, size in zip(parts, ctx.sizes, strict=True)]).to(rows.dtype)

    @staticmethod
    def backward(ctx: Any, given: Tensor) -> Tensor:
        given = given.contiguous()
        dist.all_reduce(given)  # what the shares of all ranks ask of these rows
        return given.split(ctx.sizes)[dist.get_rank()]


def _sizes(rows: Tensor) -> list[int]:
    own = torch.tensor([len(rows)], device=rows.device)
    sizes = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, own)
    return [int(size) for size in sizes]


def is_launched() -> bool:
    """Whether torchrun started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def rank() -> int:
    """Number of this process, 0 when it is alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """R, 1 when the process is alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def peers() -> Peers:
    """The other processes, for the losses."""
    return Ranks() if dist.is_initialized() else ALONE


@contextmanager
def group(device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun started, if it did, and leave them at the end.

    Args:
        device: what this process computes on; decides between nccl and gloo.
    """
    if not is_launched():
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def device_of_this_process() -> torch.device:
    """The GPU that is this process's own, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def add_up(values: Tensor) -> Tensor:
    """The element-wise sum over all ranks of a small tensor."""
    values = values.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(values)
    return values


def add_up_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its sum over all ranks, in one exchange for each type of number.

    A parameter that this rank's share did not reach counts as zero.

    Args:
        parameters: the same on every rank, in the same order; what wants no gradient is left alone.
    """
    if not dist.is_initialized():
        return
    wanted = [p for p in parameters if p.requires_grad]
    for p in wanted:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    for dtype in dict.fromkeys(p.dtype for p in wanted):
        gradients = [p.grad for p in wanted if p.dtype == dtype and p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


def gathered_objects(value: Any) -> list[Any]:
    """A small object of every rank, in their order."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def wait_for_all() -> None:
    """Go on when every rank has come here."""
    if dist.is_initialized():
        dist.barrier()


class Peers(Protocol):
    """What a loss needs of the other processes, so that the shares of all add up to the loss of one."""

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes, (b, ...) to (B, ...); gradients flow back to the process a row came from."""

    def offset(self, rows: Tensor) -> int:
        """Where own rows begin among those of all processes."""

    def total(self, value: Tensor) -> Tensor:
        """The sum of a scalar over all processes, without gradient."""


class Alone:
    """One process that holds the whole batch."""

    def gather(self, rows: Tensor) -> Tensor:
        """The rows themselves."""
        return rows

    def offset(self, rows: Tensor) -> int:
        """Own rows are the first."""
        return 0

    def total(self, value: Tensor) -> Tensor:
        """The value itself, detached."""
        return value.detach()


ALONE = Alone()
