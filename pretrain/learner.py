"""A model that learns: one step on one batch, for any number of processes and of images in the towers at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from zsderm.pretrain.accumulation import CachedFeatures, Features
from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE
from zsderm.pretrain.data.dataset import Batch, tower_input
from zsderm.pretrain.data.diagnoses import Diagnoses
from zsderm.pretrain.distributed import Group
from zsderm.pretrain.losses.make import MakeLoss, make_loss
from zsderm.pretrain.model.average import AverageWeights
from zsderm.pretrain.model.optimiser import create_optimiser, create_schedule
from zsderm.pretrain.model.text_bank import TextBank
from zsderm.pretrain.model.towers import OpenClipModel, image_and_patch_features
from zsderm.pretrain.targets import targets_of

TEXTS_AT_A_TIME = {"cpu": 64, "cuda": 1024}  # in the text tower
LARGEST_LOGIT_SCALE = 100.0  # as CLIP (arXiv 2103.00020, section 2.5): keeps training stable


@dataclass(frozen=True)
class Learner:
    """A model with all that makes it learn; one process of a group has one share of it."""

    config: TrainConfig
    model: OpenClipModel
    encode: Callable[[Batch], Features]
    diagnoses: Diagnoses
    optimiser: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LambdaLR
    average: AverageWeights | None  # running mean of the weights; None where the last ones are taken
    device: torch.device
    group: Group
    in_step: bool  # whether every pass through the towers waits for one of all other processes

    @classmethod
    def of(
        cls,
        config: TrainConfig,
        model: OpenClipModel,
        tokenizer: Callable[[list[str]], Tensor],
        diagnoses: Diagnoses,
        device: torch.device,
        group: Group,
        resident: Tensor | None = None,
    ) -> Learner:
        """A model at the start of a run.

        Args:
            config: rates, losses, precision.
            model: on the device; what does not learn loses `requires_grad`.
            tokenizer: from M strings to (M, L) int64.
            diagnoses: of the labels of the data.
            device: where the model is.
            group: the processes that train together.
            resident: (N, 3, S0, S0) uint8, squares that the device holds; see `tower_input`.
        """
        text_bank = TextBank(model, tokenizer, trainable=config.train_text, chunk=TEXTS_AT_A_TIME[device.type])
        in_step = group.size > 1 and any(isinstance(module, nn.SyncBatchNorm) for module in model.modules())
        optimiser = create_optimiser(model, config)  # before the mean is made: what is frozen is not averaged
        return cls(
            config=config,
            model=model,
            encode=_encoder(model, text_bank, config, device, resident, in_step),
            diagnoses=diagnoses,
            optimiser=optimiser,
            scheduler=create_schedule(optimiser, config),
            average=AverageWeights(model, config.average) if config.average else None,
            device=device,
            group=group,
            in_step=in_step,
        )

    @property
    def parts(self) -> dict[str, Any]:
        """What a checkpoint keeps, by name."""
        parts = {"model": self.model, "optimiser": self.optimiser, "scheduler": self.scheduler}
        return {**parts, "average": self.average} if self.average else parts

    def trained(self) -> OpenClipModel:
        """The model that is exported: as it is now, or with the running mean of its weights."""
        return self.average.averaged() if self.average else self.model

    def train(self) -> None:
        """Switch dropout and batch statistics on, but for a text tower that does not learn."""
        self.model.train()
        (getattr(self.model, "text", None) or self.model.transformer).train(self.config.train_text)

    def step(self, batch: Batch, epoch: int) -> tuple[Tensor, float]:
        """One step of the optimiser.

        Args:
            batch: the images of this process.
            epoch: counted from 0.

        Returns:
            The losses of the batch of all processes, (3,) float64 on the CPU: total, contrastive, local; and the norm
            of the gradient before it was clipped.
        """
        learning = [parameter for rates in self.optimiser.param_groups for parameter in rates["params"]]
        self.optimiser.zero_grad(set_to_none=True)
        cached = CachedFeatures(self.model, self.encode, self._loss(batch, epoch))
        own = cached.backward(self._micro_batches(batch))
        self.group.sum_gradients(learning)
        norm = float(nn.utils.clip_grad_norm_(learning, self.config.gradient_clip))
        self.optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=math.log(LARGEST_LOGIT_SCALE))
        if self.average:
            self.average.update()
        return self.group.total(torch.stack([own.total, own.contrastive, own.local]).double()).cpu(), norm

    def named(self, figures: Tensor) -> dict[str, float]:
        """The losses of `step`, or their means, by name; and the temperature that is learned."""
        names = ("loss", "contrastive", "local")
        named: dict[str, float] = dict(zip(names, figures.tolist(), strict=True))
        return {**named, "temperature": 1 / self.model.logit_scale.exp().item()}

    def _micro_batches(self, batch: Batch) -> list[Batch]:
        """A batch in parts of at most `micro_batch` images, of about equal size; 0 for one part."""
        images = len(batch.captions)
        count = max(1, math.ceil(images / (self.config.micro_batch or max(1, images))))
        if self.in_step:  # else processes with fewer images, or with none, would be waited for in vain
            count = self.group.largest(count, self.device)
        ends = [images * part // count for part in range(count + 1)]
        return [batch.part(slice(start, end)) for start, end in pairwise(ends)]

    def _loss(self, batch: Batch, epoch: int) -> Callable[[Features], MakeLoss]:
        """The loss of a batch as a function of its features."""
        mask = batch.mask.reshape(-1, CAPTIONS_PER_IMAGE).to(self.device)
        settings = self.config.loss_settings(epoch)
        if self.config.targets != "own":
            soft = self.config.targets == "ontology"
            settings |= targets_of(batch, self.diagnoses, soft, self.device, self.group)._asdict()
        scale, group = self.model.logit_scale, self.group
        return lambda features: make_loss(*features, mask, scale.exp(), group=group, **settings)


def _encoder(
    model: OpenClipModel,
    text_bank: TextBank,
    config: TrainConfig,
    device: torch.device,
    resident: Tensor | None,
    in_step: bool,
) -> Callable[[Batch], Features]:
    """A function from a batch to its features, at the precision of the configuration."""
    image_tower = torch.compile(image_and_patch_features) if config.compile else image_and_patch_features
    width = int(config.model_cfg["embed_dim"])

    def encode(batch: Batch) -> Features:
        if not batch.captions:  # none of this process's images could be read
            empty = torch.zeros(0, 1, width, device=device)
            texts = empty.expand(0, CAPTIONS_PER_IMAGE, width)
            if not in_step:
                return Features(empty[:, 0], empty, texts)
            pixels = torch.zeros(0, 3, config.image_size, config.image_size, device=device)
        else:
            pixels = tower_input(batch, config, device, resident)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
            image, patches = image_tower(model, pixels)  # (B, D), (B, P, D)
            texts = text_bank(batch.captions) if batch.captions else texts
            return Features(image, patches, texts)  # text (B, T, D)

    return encode
