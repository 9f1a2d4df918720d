"""The running mean of the weights of a run: often better than the last ones, and steadier from run to run.

Source: Polyak averaging with exponential weights, as torch.optim.swa_utils has it.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class AverageWeights:
    """Running means of the parameters that learn and of the running statistics of a model.

    In the first steps the share of the old mean is smaller, so that the weights of the beginning are soon forgotten:
    after t updates it is min(share, (1 + t) / (10 + t)).

    Args:
        model: whose weights are averaged; frozen parameters are not.
        share: of the old mean at each step, in (0, 1).
    """

    def __init__(self, model: nn.Module, share: float) -> None:
        self.model = model
        self.share = share
        self.updates = 0
        self.mean = {name: tensor.detach().clone() for name, tensor in self._averaged()}

    def update(self) -> None:
        """Count the present weights of the model in."""
        share = min(self.share, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        names, new = zip(*self._averaged(), strict=True)
        torch._foreach_lerp_([self.mean[name] for name in names], [tensor.detach() for tensor in new], 1 - share)

    def averaged(self) -> nn.Module:
        """A copy of the model with the mean weights."""
        model = copy.deepcopy(self.model)
        model.load_state_dict({**model.state_dict(), **self.mean})
        return model

    def state_dict(self) -> dict[str, Any]:
        """Means and number of updates, to go on from."""
        return {"updates": self.updates, "mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.updates = int(state["updates"])
        for name, tensor in state["mean"].items():
            self.mean[name].copy_(tensor)

    def _averaged(self) -> list[tuple[str, Tensor]]:
        # Only what a state holds: masks of attention are buffers too, but they are made anew and are infinite.
        state = self.model.state_dict(keep_vars=True)
        return [
            (name, tensor)
            for name, tensor in state.items()
            if tensor.is_floating_point() and (tensor.requires_grad or not isinstance(tensor, nn.Parameter))
        ]
