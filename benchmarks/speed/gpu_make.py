"""A training step of MAKE on a card: time and memory of the losses and of the whole step, beside the expanded form.

Images are random pixels. Captions are given as features that do not learn (a frozen text tower whose rows are kept), or
as sentences that go through a text tower that learns. Sigma is 0, as in the published code, for both forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zsderm.benchmarks.speed.make_loss import SIGMA, SUBS, expanded_contrastive, expanded_local
from zsderm.benchmarks.speed.stopwatch import Figure, Stopwatch, Timing, forget
from zsderm.pretrain.accumulation import CachedFeatures, Features
from zsderm.pretrain.config import TrainConfig, read_config
from zsderm.pretrain.losses.make import MakeLoss, diagnosis_weights, make_loss
from zsderm.pretrain.model.optimiser import create_optimiser
from zsderm.pretrain.model.start import context_length
from zsderm.pretrain.model.text_bank import TextBank
from zsderm.pretrain.model.towers import (
    OpenClipModel,
    build_towers,
    image_and_patch_features,
    set_gradient_checkpointing,
)

CONFIG = Path(__file__).resolve().parents[2] / "pretrain" / "configs" / "make_vitb16.yaml"
SCALE = 20.0  # inverse temperature
SMALLEST = 2  # images: contrast needs two
WORDS = ("scaly", "red", "plaque", "on", "the", "left", "forearm", "with", "dark", "border", "itches", "papule")


@dataclass(frozen=True)
class MakeSize:
    """The published step."""

    model_cfg: str | Mapping[str, Any] = "ViT-B-16"
    batch: int = 2048  # B
    captions: int = 11  # T
    micro_batch: int = 256  # of the step in parts


class Part(NamedTuple):
    """Images of a batch, and their captions as features (b, T, D) or as sentences."""

    pixels: Tensor  # (b, 3, H, W) on the CPU
    text: Tensor | list[list[str]]


Loss = Callable[[Features, Tensor, Tensor], MakeLoss]  # features, mask (B, T), logit scale


def ours(features: Features, mask: Tensor, scale: Tensor) -> MakeLoss:
    """The losses as training uses them."""
    return make_loss(*features, mask, scale, sigma=SIGMA)


def expanded(features: Features, mask: Tensor, scale: Tensor) -> MakeLoss:
    """The same with all matrices formed."""
    image = F.normalize(features.image.float(), dim=-1)  # (B, D)
    text = F.normalize(features.text.float().masked_fill(~mask[..., None], 0.0), dim=-1)  # (B, T, D)
    weights = diagnosis_weights(text, mask)  # (B, T)
    contrastive = expanded_contrastive(image, text, mask, weights, scale)
    local = expanded_local(features.patches.float(), text[:, SUBS], mask[:, SUBS], weights[:, SUBS], scale)
    return MakeLoss(contrastive + 0.7 * local, contrastive, local)


FORMS: dict[str, Loss] = {"ours": ours, "expanded": expanded}


class MakeStep:
    """One model and batches of random pixels.

    Args:
        size: of the step.
        watch: what measures, and where.
        seed: of weights and pixels.
    """

    def __init__(self, size: MakeSize, watch: Stopwatch, seed: int = 0) -> None:
        self.size, self.watch, self.device, self.seed = size, watch, watch.device, seed
        self.model_cfg = (
            open_clip.get_model_config(size.model_cfg) if isinstance(size.model_cfg, str) else size.model_cfg
        )
        self.side = int(self.model_cfg["vision_cfg"]["image_size"])

    def jobs(self) -> Iterator[tuple[str, Callable[[], Figure]]]:
        """What is measured, the most important first."""
        checkpointed = "activations computed twice, bfloat16"
        yield f"MAKE step, ours, frozen captions, {checkpointed}", lambda: self.step("ours", self.size.batch)
        yield f"MAKE step, expanded, frozen captions, {checkpointed}", lambda: self.step("expanded", self.size.batch)
        yield "MAKE losses alone, ours, forward and backward", lambda: self.loss_alone("ours", self.size.batch)
        yield "MAKE losses alone, expanded, forward and backward", lambda: self.loss_alone("expanded", self.size.batch)
        twice = 2 * self.size.batch
        yield "MAKE losses alone, ours, twice the batch", lambda: self.loss_alone("ours", twice)
        yield "MAKE losses alone, expanded, twice the batch", lambda: self.loss_alone("expanded", twice)
        yield (
            f"MAKE step, ours, frozen captions, in parts of {self.size.micro_batch}, {checkpointed}",
            lambda: self.step("ours", self.size.batch, self.size.micro_batch),
        )
        yield (
            f"MAKE step, ours, both towers learn, in parts of {self.size.micro_batch}, {checkpointed}",
            lambda: self.step("ours", self.size.batch, self.size.micro_batch, frozen=False),
        )

    @cached_property
    def config(self) -> TrainConfig:
        """The published settings, for a model that starts from random weights."""
        preprocess = {"size": self.side, "mean": [0.5] * 3, "std": [0.5] * 3}
        published = read_config(CONFIG)
        return replace(published, start="", model_cfg=self.model_cfg, preprocess_cfg=preprocess)

    def model(self) -> OpenClipModel:
        """As `zsderm pretrain` places it: float32 weights, channels last, activations computed twice."""
        torch.manual_seed(self.seed)
        with self.device:  # a card draws weights in no time
            model = build_towers(self.model_cfg)
        set_gradient_checkpointing(model)
        model.visual.to(memory_format=torch.channels_last)
        return model.to(self.device).train()

    def step(self, form: str, batch: int, micro_batch: int = 0, frozen: bool = True) -> Figure:
        """Features, losses, gradients and a step of the optimiser, at the largest batch that fits."""
        fits, timing = self._largest(batch, lambda images: self._timed_step(form, images, micro_batch, frozen))
        parts = f" in parts of {micro_batch}" if micro_batch else ""
        return timing.figure(
            self._shown(fits) + parts, note=f"{fits / timing.median:.0f} images/s{_smaller(fits, batch)}"
        )

    def loss_alone(self, form: str, batch: int) -> Figure:
        """Losses and their gradients from features that are there already, at the largest batch that fits."""
        fits, timing = self._largest(batch, lambda images: self._timed_loss(form, images))
        check = self._difference(min(fits, 64))
        return timing.figure(self._shown(fits), note=f"forms differ by {check:.0e} of the loss{_smaller(fits, batch)}")

    def features(self, batch: int) -> Features:
        """Random features of a batch: images and patches as the towers give them, captions in float32."""
        random = torch.Generator(self.device).manual_seed(self.seed)
        width = int(self.model_cfg["embed_dim"])
        patches = (self.side // int(self.model_cfg["vision_cfg"]["patch_size"])) ** 2

        def rows(*shape: int) -> Tensor:
            return torch.randn(*shape, width, generator=random, device=self.device)

        leaves = rows(batch).bfloat16(), rows(batch, patches).bfloat16(), rows(batch, self.size.captions)
        return Features(*(leaf.requires_grad_() for leaf in leaves))

    def _timed_step(self, form: str, batch: int, micro_batch: int, frozen: bool) -> Timing:
        model = self.model()
        optimiser = create_optimiser(model, replace(self.config, train_text=not frozen))
        learning = [parameter for rates in optimiser.param_groups for parameter in rates["params"]]
        tokenizer = open_clip.tokenizer.SimpleTokenizer(context_length=context_length(self.model_cfg))
        cached = CachedFeatures(
            model,
            _encoder(model, TextBank(model, tokenizer, trainable=True), self.device),
            lambda features: FORMS[form](features, self._mask(batch), model.logit_scale.exp()),
        )
        parts = self._parts(batch, micro_batch or batch, frozen)

        def run() -> None:
            optimiser.zero_grad(set_to_none=True)
            cached.backward(parts)
            nn.utils.clip_grad_norm_(learning, self.config.gradient_clip)
            optimiser.step()

        return self.watch.measure(run)

    def _timed_loss(self, form: str, batch: int) -> Timing:
        features, mask = self.features(batch), self._mask(batch)
        return self.watch.measure(lambda: self._gradients(form, features, mask))

    def _gradients(self, form: str, features: Features, mask: Tensor) -> Tensor:
        scale = torch.tensor(SCALE, device=self.device, requires_grad=True)
        for leaf in features:
            leaf.grad = None
        loss = FORMS[form](features, mask, scale).total
        loss.backward()
        return loss.detach()

    def _difference(self, batch: int) -> float:
        """Of the losses of the two forms on the same features, relative to the loss."""
        features, mask = self.features(batch), self._mask(batch)
        one, other = (self._gradients(form, features, mask).item() for form in FORMS)
        return abs(one - other) / abs(other)

    def _parts(self, batch: int, size: int, frozen: bool) -> list[Part]:
        random = torch.Generator(self.device).manual_seed(self.seed)
        pixels = torch.randn(batch, 3, self.side, self.side, generator=random, device=self.device).cpu()
        shape = (batch, self.size.captions, int(self.model_cfg["embed_dim"]))
        kept = torch.randn(*shape, generator=random, device=self.device) if frozen else None
        starts = range(0, batch, size)
        return [
            Part(
                pixels[i : i + size],
                _sentences(i, min(size, batch - i), self.size.captions) if kept is None else kept[i : i + size],
            )
            for i in starts
        ]

    def _mask(self, batch: int) -> Tensor:
        return torch.ones(batch, self.size.captions, dtype=torch.bool, device=self.device)

    def _shown(self, batch: int) -> str:
        return f"batch {batch}, T = {self.size.captions}"

    def _largest(self, batch: int, run: Callable[[int], Timing]) -> tuple[int, Timing]:
        """The first of batch, batch / 2, batch / 4 ... that fits into the memory, and its timing."""
        while True:
            forget(self.device)
            try:
                return batch, run(batch)
            except torch.cuda.OutOfMemoryError:
                if batch // 2 < SMALLEST:
                    raise
            batch //= 2  # outside of the handler, whose traceback would keep what failed alive


def _encoder(model: OpenClipModel, text_bank: TextBank, device: torch.device) -> Callable[[Part], Features]:
    """Features of a part at bfloat16, as in training."""

    def encode(part: Part) -> Features:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            pixels = part.pixels.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
            image, patches = image_and_patch_features(model, pixels)  # (b, D), (b, P, D)
            text = part.text if isinstance(part.text, Tensor) else text_bank(part.text)  # (b, T, D)
        return Features(image, patches, text)

    return encode


def _sentences(start: int, images: int, captions: int) -> list[list[str]]:
    """Captions that are all different, of thirteen words."""
    turned = [WORDS[turn:] + WORDS[:turn] for turn in range(len(WORDS))]
    return [
        [" ".join((*turned[caption % len(WORDS)], str(captions * image + caption))) for caption in range(captions)]
        for image in range(start, start + images)
    ]


def _smaller(fits: int, asked: int) -> str:
    return "" if fits == asked else f"; {asked} images do not fit"
