"""A batch too large for the towers, with the loss and the gradients that it would have had at once.

The towers see a few images at a time, but a contrastive loss needs all of them: what each image is compared with is the
batch. So features are made first, without a graph; the loss and the gradients of the features are taken over the whole
batch; and then each part goes through the towers again, with its random numbers replayed, and takes its gradients back.
Only one part is ever held with what its backward needs.

Source: gradient caching, Gao et al. 2021 (arXiv 2101.06983).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from zsderm.pretrain.losses.make import MakeLoss

Part = TypeVar("Part")


class Features(NamedTuple):
    """What the towers make of b images and their captions."""

    image: Tensor  # (b, D)
    patches: Tensor  # (b, P, D)
    text: Tensor  # (b, T, D)


class CachedFeatures(Generic[Part]):
    """Backward passes over batches that come in parts.

    Args:
        model: whose buffers (running statistics) must move once a batch, not once a pass.
        encode: what makes features of a part; may draw random numbers from torch.
        loss_of: the loss of the features of a whole batch.
    """

    def __init__(
        self, model: nn.Module, encode: Callable[[Part], Features], loss_of: Callable[[Features], MakeLoss]
    ) -> None:
        self.model = model
        self.encode = encode
        self.loss_of = loss_of

    def backward(self, parts: Sequence[Part]) -> MakeLoss:
        """Add the gradients of a batch to the parameters.

        Args:
            parts: of the batch, in order. One part takes one pass through the towers, several take two.

        Returns:
            The loss, detached.
        """
        if len(parts) == 1:
            whole = self.encode(parts[0])
            loss, asked = self._asked_of(whole)
            _backward(whole, asked)
            return loss
        with self._first_pass():
            states, features = zip(*((_random_state(), self.encode(part)) for part in parts), strict=True)
        loss, asked = self._asked_of(Features(*map(torch.cat, zip(*features, strict=True))))
        sizes = [len(part.image) for part in features]
        shares = zip(*(gradient.split(sizes) for gradient in asked), strict=True)
        for part, state, share in zip(parts, states, shares, strict=True):
            _set_random_state(state)
            _backward(self.encode(part), Features(*share))
        return loss

    def _asked_of(self, features: Features) -> tuple[MakeLoss, Features]:
        """The loss, and what it asks of each feature."""
        leaves = Features(*(tensor.detach().requires_grad_() for tensor in features))
        loss = self.loss_of(leaves)
        loss.total.backward()
        asked = (torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves)
        return MakeLoss(loss.total.detach(), loss.contrastive.detach(), loss.local.detach()), Features(*asked)

    @contextmanager
    def _first_pass(self) -> Iterator[None]:
        """A pass without graph that leaves the buffers as they were."""
        before = [buffer.clone() for buffer in self.model.buffers()]
        with torch.no_grad():
            yield
            for buffer, old in zip(self.model.buffers(), before, strict=True):
                buffer.copy_(old)


def _backward(features: Features, asked: Features) -> None:
    pairs = [(feature, gradient) for feature, gradient in zip(features, asked, strict=True) if feature.requires_grad]
    if not pairs:
        return  # a rank without images has nothing to pass on
    torch.autograd.backward([feature for feature, _ in pairs], [gradient for _, gradient in pairs])


def _random_state() -> tuple[Tensor, Tensor | None]:
    gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return torch.get_rng_state(), gpu


def _set_random_state(state: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1])
