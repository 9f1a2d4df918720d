"""Several processes that train one model: torchrun starts them; they talk through nccl on GPUs, gloo elsewhere.

R processes with b images each share one batch of B = R * b images. Each computes its share of the loss against the
features of all, and the gradients of the shares are summed. The number of images may differ between processes, because
an image that cannot be read is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from zsderm.errors import SettingsError

# For a process that decodes, exports or evaluates; torchrun ends the others where it dies.
PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class Group:
    """The processes that share a batch, seen from one of them. A group of size 1 exchanges nothing.

    Raises:
        SettingsError: there is no such process.
    """

    rank: int = 0  # which of them this process is, from 0
    size: int = 1  # R, number of processes
    patient: Any = field(default=None, compare=False, repr=False)  # the same processes, for `wait`

    def __post_init__(self) -> None:
        """Refuse a rank outside of the group."""
        if not 0 <= self.rank < self.size:
            raise SettingsError(f"Expected a rank from 0 to {self.size - 1}, but got {self.rank}.")

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes in the order of their ranks, with gradient.

        Args:
            rows: (b, ...) of this process.

        Returns:
            (B, ...). The gradient of a row goes back to the process that the row came from.
        """
        return rows if self.size == 1 else _Gather.apply(rows)

    def total(self, values: Tensor) -> Tensor:
        """The element-wise sum of a small tensor over all processes, without gradient."""
        values = values.detach().clone()
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def largest(self, value: int, device: torch.device) -> int:
        """The largest of the values of all processes."""
        found = torch.tensor(value, device=device)
        if self.size > 1:
            dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes, in one exchange for each dtype.

        A parameter without a gradient in this process counts as zero. One without a gradient in any process keeps none,
        as in a run of one process: the optimiser would decay it for a gradient of zero.

        Args:
            parameters: the same in every process, in the same order; those that require no gradient are left out.
        """
        if self.size == 1:
            return
        learning = [p for p in parameters if p.requires_grad]
        if not learning:
            return
        reached = self.total(torch.tensor([p.grad is not None for p in learning], device=learning[0].device).int())
        wanted = [p for p, processes in zip(learning, reached.tolist(), strict=True) if processes]
        for p in wanted:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        for dtype in dict.fromkeys(p.dtype for p in wanted):
            gradients = [p.grad for p in wanted if p.dtype == dtype and p.grad is not None]
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            dist.all_reduce(flat)
            for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))

    def gather_objects(self, value: Any) -> list[Any]:
        """A small object of every process, in the order of their ranks."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Return when every process has called this, however long one of them takes.

        To be called before the next exchange wherever one process works and the others do not: exchanges have a time
        limit, of ten minutes with nccl.
        """
        if self.size > 1:
            dist.barrier(self.patient)


ALONE = Group()


@contextmanager
def join_group(device: torch.device) -> Iterator[Group]:
    """Join the processes that torchrun started, and leave them at the end; `ALONE` without torchrun.

    Args:
        device: what this process computes on: "cuda" takes nccl, anything else gloo.
    """
    if launched_size() == 1:
        yield ALONE
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(dist.get_rank(), dist.get_world_size(), dist.new_group(backend="gloo", timeout=PATIENCE))
    finally:
        dist.destroy_process_group()


def launched_size() -> int:
    """How many processes torchrun started, 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_alone(what: str) -> None:
    """Refuse several processes, each of which would write the same files.

    Args:
        what: the training that is one process.

    Raises:
        SettingsError: torchrun started several.
    """
    if launched_size() > 1:
        raise SettingsError(f"{what} is one process. Start it without torchrun.")


def device_of_this_process() -> torch.device:
    """The GPU that torchrun gave to this process, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


class _Gather(torch.autograd.Function):
    """`Group.gather` of several processes."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.sizes = _sizes(rows)
        as_bytes = rows.to(torch.uint8) if rows.dtype == torch.bool else rows
        # Collectives need equal shapes: rows are padded to the longest process's, and the padding is cut off again.
        padded = as_bytes.new_zeros(max(ctx.sizes), *rows.shape[1:])
        padded[: len(rows)] = as_bytes
        parts = [torch.empty_like(padded) for _ in ctx.sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, ctx.sizes, strict=True)]).to(rows.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)  # others may hold the same tensor
        dist.all_reduce(gradient)  # the share of every process has a gradient for these rows
        return gradient.split(ctx.sizes)[dist.get_rank()]


def _sizes(rows: Tensor) -> list[int]:
    own = torch.tensor([len(rows)], device=rows.device)
    sizes = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, own)
    return [int(size) for size in sizes]
