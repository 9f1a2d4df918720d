"""A network that learns classes: cross entropy, with mixed images and smoothed labels where these are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from zsderm.pretrain.data.dataset import tower_input
from zsderm.pretrain.distributed import ALONE, Group
from zsderm.pretrain.model.average import AverageWeights
from zsderm.pretrain.model.optimiser import adamw, create_schedule
from zsderm.pretrain.supervised.config import SupervisedConfig
from zsderm.pretrain.supervised.data import LabelledBatch
from zsderm.pretrain.supervised.start import head_of


@dataclass(frozen=True)
class SupervisedLearner:
    """A network with all that makes it learn; see `zsderm.pretrain.epoch.Learns`."""

    config: SupervisedConfig
    network: nn.Module
    optimiser: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LambdaLR
    average: AverageWeights | None
    device: torch.device
    classes: int  # K
    resident: Tensor | None = None
    group: Group = ALONE

    @classmethod
    def of(
        cls,
        config: SupervisedConfig,
        network: nn.Module,
        classes: int,
        device: torch.device,
        resident: Tensor | None = None,
    ) -> SupervisedLearner:
        """A network at the start of a run.

        Args:
            config: rates, mixing, precision.
            network: from (B, 3, S, S) to (B, K), on the device.
            classes: K.
            device: where the network is.
            resident: (N, 3, S0, S0) uint8, squares that the device holds; see `tower_input`.
        """
        head = {id(parameter) for parameter in head_of(network)}
        rates = (
            (parameter, config.head_learning_rate if id(parameter) in head else config.learning_rate)
            for parameter in network.parameters()
        )
        optimiser = adamw(rates, config.weight_decay)
        average = AverageWeights(network, config.average) if config.average else None
        return cls(config, network, optimiser, create_schedule(optimiser, config), average, device, classes, resident)

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps, by name."""
        parts = {"model": self.network, "optimiser": self.optimiser, "scheduler": self.scheduler}
        return {**parts, "average": self.average} if self.average else parts

    def trained(self) -> nn.Module:
        """The network that is exported: as it is now, or with the running mean of its weights."""
        return self.average.averaged() if self.average else self.network

    def train(self) -> None:
        """Switch dropout and batch statistics on."""
        self.network.train()

    def step(self, batch: LabelledBatch, epoch: int) -> tuple[Tensor, float]:
        """One step of the optimiser.

        Args:
            batch: B images.
            epoch: counted from 0; not needed.

        Returns:
            (3,) float64 on the CPU: loss, share of the images whose class (that of the larger part of a mixed one) was
            answered, and confidence; and the norm of the gradient before it was clipped.
        """
        pixels = tower_input(batch, self.config, self.device, self.resident)
        answers = one_hot(batch.labels.to(self.device), self.classes).float()  # (B, K)
        if self.config.mixup:
            pixels, answers = mixed(pixels, answers, self.config.mixup)
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            logits = self.network(pixels)
        logits = logits.float()  # (B, K)
        loss = cross_entropy(logits, answers, label_smoothing=self.config.label_smoothing)
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip))
        self.optimiser.step()
        if self.average:
            self.average.update()
        right = (logits.argmax(dim=1) == answers.argmax(dim=1)).double().mean()
        sure = logits.detach().softmax(dim=1).amax(dim=1).double().mean()
        return torch.stack([loss.detach().double(), right, sure]).cpu(), norm

    def named(self, figures: Tensor) -> dict[str, float]:
        """The figures of `step`, or their means, by name."""
        return dict(zip(("loss", "accuracy", "confidence"), figures.tolist(), strict=True))


def mixed(pixels: Tensor, answers: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Each image with a share of another, and each answer alike.

    The random numbers are torch's own, which a checkpoint keeps.

    Args:
        pixels: (B, 3, S, S).
        answers: (B, K), rows that sum to 1.
        strength: a of Beta(a, a), from which one share for the batch is drawn; the larger part stays in place.

    Returns:
        Both mixed; each row of answers still sums to 1.

    Source: Zhang et al., mixup (arXiv 1710.09412), equation 1.
    """
    share = float(torch.distributions.Beta(strength, strength).sample())
    share = max(share, 1 - share)
    others = torch.randperm(len(pixels)).to(pixels.device)
    return share * pixels + (1 - share) * pixels[others], share * answers + (1 - share) * answers[others]
