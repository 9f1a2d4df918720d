"""Estimate of a run before any data or weights are loaded: parameters, memory of each process, steps.

The towers are built without storage (torch's meta device) and a few images and texts without content are sent through
them, while every tensor that backward would keep is counted. So activations are counted, not estimated by a rule of
thumb. What is not counted: temporary buffers, the allocator's slack, kernels' workspaces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import open_clip
import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.pretrained import get_pretrained_cfg
from torch import Tensor, nn

from zsderm.errors import CheckpointError, SettingsError, ZsdermError
from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.data.captions import CAPTIONS_PER_IMAGE
from zsderm.pretrain.distributed import launched_size
from zsderm.pretrain.model.optimiser import create_optimiser
from zsderm.pretrain.model.start import context_length, open_clip_checkpoint, text_settings, with_architecture
from zsderm.pretrain.model.towers import (
    MISFITS,
    OpenClipModel,
    build_towers,
    image_and_patch_features,
    set_gradient_checkpointing,
)

PROBE = 2  # images or texts sent through; what is kept grows with their number
FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class Estimate:
    """Memory of one process in bytes, and length of the run in steps."""

    image_parameters: int
    text_parameters: int
    learning_parameters: int
    images_at_a_time: int  # in the towers
    weights: int  # parameters and buffers
    gradients: int
    optimiser: int  # two moments of AdamW
    image_activations: int  # kept for backward, of all images at a time
    text_activations: int  # of all their captions; 0 where the text tower is frozen
    features: int  # of the whole share of a batch, with their gradients
    steps_per_epoch: int
    steps: int
    images_drawn: int  # by all processes
    processes: int

    @property
    def memory(self) -> int:
        """Sum of the parts, in bytes."""
        kept = self.image_activations + self.text_activations + self.features
        return self.weights + self.gradients + self.optimiser + kept

    def lines(self) -> Iterator[str]:
        """The estimate, a line a part."""
        million = 1e6
        yield f"parameters: image tower {self.image_parameters / million:.1f} M, text tower and the rest "
        yield f"            {self.text_parameters / million:.1f} M; {self.learning_parameters / million:.1f} M learn"
        yield f"memory of each of {self.processes} process(es), with {self.images_at_a_time} images in the towers:"
        for name in ("weights", "gradients", "optimiser", "image_activations", "text_activations", "features"):
            yield f"  {name.replace('_', ' '):<18} {getattr(self, name) / 1e9:8.2f} GB"
        yield f"  {'together':<18} {self.memory / 1e9:8.2f} GB, plus what kernels need on the way"
        yield f"steps: {self.steps_per_epoch:,} an epoch, {self.steps:,} in all; {self.images_drawn:,} images are drawn"


def estimate(config: TrainConfig) -> Estimate:
    """Parameters, memory and steps of a run.

    Args:
        config: the settings; `processes` is taken from torchrun, 1 without it.

    Raises:
        CheckpointError: the architecture is not known on this machine.
        SettingsError: a switch does not fit the towers.
    """
    config = _with_known_architecture(config)
    with torch.device("meta"):
        model = _towers(config)
    if config.gradient_checkpointing:
        set_gradient_checkpointing(model)
    create_optimiser(model, config)  # freezes what does not learn
    model.train()
    parameters = dict(model.named_parameters())
    image = sum(p.numel() for name, p in parameters.items() if name.startswith("visual."))
    learning = sum(p.numel() for p in parameters.values() if p.requires_grad)
    every = sum(t.numel() * t.element_size() for t in (*parameters.values(), *model.buffers()))
    half = config.precision == "bfloat16"
    ranks = launched_size()
    own = max(1, config.batch_size // ranks)
    at_a_time = min(config.micro_batch or own, own)
    try:
        patches, kept_image = _image_activations(model, config, half)
        kept_text = _text_activations(model, config, half) if config.train_text else 0
    except MISFITS as error:
        if isinstance(error, ZsdermError):
            raise
        detail = " ".join(str(error).split())[:300] or type(error).__name__
        raise SettingsError(f"An image or a text does not go through the towers of `model_cfg`: {detail}.") from error
    width = int(config.model_cfg["embed_dim"])
    features = own * (1 + patches + CAPTIONS_PER_IMAGE) * width
    return Estimate(
        image_parameters=image,
        text_parameters=sum(p.numel() for p in parameters.values()) - image,
        learning_parameters=learning,
        images_at_a_time=at_a_time,
        weights=every,
        gradients=learning * FLOAT32,
        optimiser=2 * learning * FLOAT32,
        image_activations=at_a_time * kept_image,
        text_activations=at_a_time * CAPTIONS_PER_IMAGE * kept_text,
        features=2 * features * FLOAT32,
        steps_per_epoch=config.steps_per_epoch,
        steps=config.steps,
        images_drawn=config.steps * config.batch_size,
        processes=ranks,
    )


def _with_known_architecture(config: TrainConfig) -> TrainConfig:
    """The configuration with the architecture of its checkpoint: open_clip's list is asked before any hub."""
    if not config.start:
        return config
    architecture, _, tag = config.start.partition("/")
    if listed := get_pretrained_cfg(architecture, tag):
        return with_architecture(config, open_clip.get_model_config(architecture), listed)
    checkpoint = open_clip_checkpoint(config.start)
    return with_architecture(config, checkpoint.model_cfg, checkpoint.preprocess_cfg)


def _towers(config: TrainConfig) -> OpenClipModel:
    text_cfg, source = text_settings(config.model_cfg, config.text_start)
    try:
        return build_towers({**config.model_cfg, "text_cfg": {**text_cfg, "hf_model_pretrained": False}}).float()
    except OSError as error:
        raise CheckpointError(
            f"The configuration of the text tower '{source}' is not on this machine, and its size is not guessed. "
            f"Fetch it once where there is a network: hf download {source} config.json"
        ) from error


def _image_activations(model: OpenClipModel, config: TrainConfig, half: bool) -> tuple[int, int]:
    """Patches of an image, and bytes that backward keeps of it."""
    size = config.model_cfg["vision_cfg"].get("image_size", 224)  # open_clip's default
    height, width = (size, size) if isinstance(size, int) else size
    found: list[Tensor] = []

    def forward() -> None:
        pixels = torch.empty(PROBE, 3, height, width, device="meta", dtype=_dtype(half))
        found.extend(image_and_patch_features(model, pixels))

    kept = _kept(model.visual, forward, half)
    return found[1].shape[1], kept


def _text_activations(model: OpenClipModel, config: TrainConfig, half: bool) -> int:
    """Bytes that backward keeps of a caption of full length."""
    tokens = torch.ones(PROBE, context_length(config.model_cfg), device="meta", dtype=torch.long)
    text = getattr(model, "text", None)
    if isinstance(text, HFTextEncoder):
        # a value for each pair of tokens: transformers looks into a mask of tokens, and a meta tensor holds nothing
        mask = torch.ones(PROBE, 1, tokens.shape[1], tokens.shape[1], device="meta", dtype=torch.bool)
        return _kept(text, lambda: text.transformer(input_ids=tokens, attention_mask=mask), half)
    return _kept(model, lambda: model.encode_text(tokens), half)


def _kept(tower: nn.Module, forward: Callable[[], Any], half: bool) -> int:
    """Bytes per item that a forward pass keeps for backward, parameters left out."""
    own = {id(parameter) for parameter in tower.parameters()}
    seen: dict[tuple[Any, ...], int] = {}
    tensors: list[Tensor] = []  # held, so that no id is given twice

    def pack(tensor: Tensor) -> Tensor:
        base = tensor if tensor._base is None else tensor._base
        if id(base) not in own:
            tensors.append(base)
            seen[(id(base),)] = base.numel() * base.element_size()
        return tensor

    with _in_precision(tower, half), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        own |= {id(parameter) for parameter in tower.parameters()}
        forward()
    return sum(seen.values()) // PROBE


@contextmanager
def _in_precision(tower: nn.Module, half: bool) -> Iterator[None]:
    """The tower in the type that autocast would compute in; meta tensors know no autocast."""
    tower.to(_dtype(half))
    try:
        yield
    finally:
        tower.float()


def _dtype(half: bool) -> torch.dtype:
    return torch.bfloat16 if half else torch.float32
