"""The optimiser of a run: which parameters learn, how fast at each step, and which are decayed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial

import torch
from open_clip.hf_model import HFTextEncoder
from torch import nn

from zsderm.pretrain.config import TrainConfig
from zsderm.pretrain.model.towers import OpenClipModel
from zsderm.pretrain.run_settings import RunSettings

# Parts of open_clip models that the losses never reach: a captioning decoder, the bias of a sigmoid loss.
UNUSED = ("text_decoder.", "logit_bias")
IMAGE_HEADS = ("visual.head", "visual.proj", "visual.attnpool")


def create_optimiser(model: OpenClipModel, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over the parameters that learn; the others are frozen.

    The image tower has `learning_rate`, its projection, the projection of a transformers text tower and the temperature
    have `head_learning_rate`, the text tower has `text_learning_rate` or is frozen.

    Args:
        model: an open_clip model; what does not learn loses `requires_grad`.
        config: rates and weight decay.
    """
    rates = ((parameter, _rate(name, model, config)) for name, parameter in model.named_parameters())
    return adamw(rates, config.weight_decay)


def adamw(rates: Iterable[tuple[nn.Parameter, float | None]], weight_decay: float) -> torch.optim.AdamW:
    """AdamW over the parameters that have a learning rate; the others lose `requires_grad`.

    Args:
        rates: parameters with the learning rate of each, None where it stays as it is.
        weight_decay: of what has two dimensions and more.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter, rate in rates:
        if rate is None:
            parameter.requires_grad_(False)
            continue
        decay = weight_decay if parameter.ndim >= 2 else 0.0  # biases, norms and the temperature are not decayed
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW([{"params": p, "lr": rate, "weight_decay": decay} for (rate, decay), p in groups.items()])


def _rate(name: str, model: OpenClipModel, config: TrainConfig) -> float | None:
    """The learning rate of a parameter; None where it stays as it is."""
    if name.startswith(UNUSED):
        return None
    if name.startswith("visual."):
        return config.head_learning_rate if name.startswith(IMAGE_HEADS) else config.learning_rate
    if name == "logit_scale":
        return config.head_learning_rate
    if isinstance(getattr(model, "text", None), HFTextEncoder) and not name.startswith("text.transformer"):
        return config.head_learning_rate  # its projection
    return config.text_learning_rate if config.train_text else None


def create_schedule(optimiser: torch.optim.Optimizer, config: RunSettings) -> torch.optim.lr_scheduler.LambdaLR:
    """The learning rates of a whole run, see `cosine_with_warm_up`.

    Args:
        optimiser: whose rates are changed at every step.
        config: number of steps, and of warm-up steps.
    """
    factor = partial(cosine_with_warm_up, steps=config.steps, warm_up=config.warm_up_steps)
    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def cosine_with_warm_up(step: int, steps: int, warm_up: int) -> float:
    """Factor on the learning rate: linear from 0 to 1 over the warm-up, then half a cosine down to 0.

    Args:
        step: optimiser steps already taken, 0 at the first one.
        steps: optimiser steps of the whole run.
        warm_up: optimiser steps of the warm-up.

    Returns:
        A factor in [0, 1].

    >>> [round(cosine_with_warm_up(s, steps=10, warm_up=2), 2) for s in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))
