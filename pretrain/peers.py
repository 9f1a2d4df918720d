"""Who else holds images of the same batch: the losses ask for it and know nothing of processes.

`Alone` is one process that holds all B images; `distributed.Ranks` is one of several that hold b each.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


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
