"""Gradients of a batch that is too large for the towers, equal to those of the whole batch in one pass.

A contrastive loss compares each image with the whole batch. So all features are computed first, part by part and
without a graph; loss and gradients of the features are computed over the whole batch; then each part goes through the
towers again, with the same random numbers, and its gradients are propagated. Only one part at a time keeps what its
backward pass needs.

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
    """Features of b images and their captions."""

    image: Tensor  # (b, D)
    patches: Tensor  # (b, P, D)
    text: Tensor  # (b, T, D)


class CachedFeatures(Generic[Part]):
    """Backward passes over batches that come in parts.

    Args:
        model: its buffers (running statistics) are updated once a batch, although parts pass twice.
        encode: features of a part; may use torch's random numbers.
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
            loss, gradients = self._loss_and_gradients(whole)
            _backward(whole, gradients)
            return loss
        with self._first_pass():
            states, features = zip(*((_random_state(), self.encode(part)) for part in parts), strict=True)
        loss, gradients = self._loss_and_gradients(Features(*map(torch.cat, zip(*features, strict=True))))
        sizes = [len(part.image) for part in features]
        shares = zip(*(gradient.split(sizes) for gradient in gradients), strict=True)
        for part, state, share in zip(parts, states, shares, strict=True):
            _set_random_state(state)
            _backward(self.encode(part), Features(*share))
        return loss

    def _loss_and_gradients(self, features: Features) -> tuple[MakeLoss, Features]:
        """The loss, and its gradient with regard to each feature."""
        leaves = Features(*(tensor.detach().requires_grad_() for tensor in features))
        loss = self.loss_of(leaves)
        loss.total.backward()
        gradients = (torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves)
        return MakeLoss(loss.total.detach(), loss.contrastive.detach(), loss.local.detach()), Features(*gradients)

    @contextmanager
    def _first_pass(self) -> Iterator[None]:
        """A pass without graph that leaves the buffers as they were."""
        before = [buffer.clone() for buffer in self.model.buffers()]
        with torch.no_grad():
            yield
            for buffer, old in zip(self.model.buffers(), before, strict=True):
                buffer.copy_(old)


def _backward(features: Features, gradients: Features) -> None:
    pairs = [
        (feature, gradient) for feature, gradient in zip(features, gradients, strict=True) if feature.requires_grad
    ]
    if not pairs:
        return  # a process without images has no gradient
    torch.autograd.backward([feature for feature, _ in pairs], [gradient for _, gradient in pairs])


def _random_state() -> tuple[Tensor, Tensor | None]:
    gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return torch.get_rng_state(), gpu


def _set_random_state(state: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1])
