"""The network that a supervised run begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from zsderm.encoders import mini
from zsderm.encoders.checkpoint import BUILD_ERRORS, first_line
from zsderm.errors import CheckpointError, SettingsError
from zsderm.pretrain.model.start import LITE, load_efficientnet_lite
from zsderm.pretrain.model.towers import MISFITS
from zsderm.pretrain.supervised.config import MINI, SupervisedConfig

TRUNK = "visual.trunk."  # of the image tower in a checkpoint of open_clip
TOLD = {
    "none": "random numbers",
    "timm": "the weights that timm has for the network",
    MINI: (
        "the image tower of zsderm-mini, which was trained with images of the train splits of PAD-UFES-20, HAM10000, "
        "the ISIC archive, ISIC 2017, onychomycosis and FUSeg: figures on other images of these sets are no figures "
        "on sets that it never saw"
    ),
    **{name: f"EfficientNet-Lite{name[-1]} trained on ImageNet" for name in LITE},
}


def told_start(weights: str) -> str:
    """What the card says of the starting weights."""
    return TOLD.get(weights, f"the file {Path(weights).name}")


def begin_supervised(config: SupervisedConfig, classes: int) -> nn.Module:
    """A network of timm with its starting weights and a new head.

    Args:
        config: tower, weights, drop.
        classes: K, places of the head.

    Returns:
        From (B, 3, S, S) to (B, K), in float32 on the CPU.

    Raises:
        SettingsError: the tower cannot be built so, has no head, or is another than that of the weights.
        CheckpointError: the weights cannot be had, or are those of another tower.
        MissingDependencyError: the package with the weights is not installed.
    """
    weights = config.weights
    _check_fits(config)
    try:
        network = timm.create_model(config.tower, pretrained=weights == "timm", num_classes=0, drop_rate=config.drop)
    except OSError as error:  # what huggingface_hub raises for what it cannot get
        raise CheckpointError(
            f"The weights of {config.tower} cannot be fetched: {first_line(error)}. Fetch them where there is a "
            "network, and name the file: weights: FILE.safetensors"
        ) from error
    except MISFITS as error:
        raise SettingsError(f"timm cannot build {config.tower}: {first_line(error)}.") from error
    if weights in LITE:
        load_efficientnet_lite(network, weights)
    elif weights == MINI:
        _load(network, _mini_trunk(), MINI)
    elif weights not in TOLD:
        _load(network, _stored(Path(weights).expanduser()), weights)
    if not hasattr(network, "reset_classifier"):
        raise SettingsError(f"{config.tower} of timm has no head for classes. Choose another `tower`.")
    reset: Any = network.reset_classifier
    reset(classes)
    _check_size(network.float(), config, classes)
    return network


def head_of(network: nn.Module) -> list[nn.Parameter]:
    """The parameters of the head, which begin anew and learn faster."""
    of: Any = network.get_classifier
    head = of()
    parts = head if isinstance(head, tuple) else (head,)
    return [parameter for part in parts for parameter in part.parameters()]


def _check_fits(config: SupervisedConfig) -> None:
    """Refuse packaged weights for another tower than theirs."""
    wanted = {**{name: f"tf_{name.replace('-', '_')}" for name in LITE}, MINI: "tf_efficientnet_lite2"}
    if config.weights in wanted and config.tower != wanted[config.weights]:
        raise SettingsError(
            f"Setting `weights` names {config.weights}, which is {wanted[config.weights]}, but `tower` is "
            f"{config.tower}. Set tower to {wanted[config.weights]}, or weights to none."
        )


def _check_size(network: nn.Module, config: SupervisedConfig, classes: int) -> None:
    """Refuse a size of images that the network does not take; random numbers stay where they are.

    Raises:
        SettingsError: it does not.
    """
    try:
        with torch.no_grad():
            made = network.eval()(torch.zeros(1, 3, config.image_size, config.image_size))
    except MISFITS as error:
        raise SettingsError(
            f"{config.tower} does not take images of {config.image_size} pixels: {first_line(error)}. Set "
            "preprocess_cfg.size to what it was made for, or choose another `tower`."
        ) from error
    if made.shape != (1, classes):
        raise SettingsError(f"{config.tower} gives no answer for each class. Choose another `tower`.")


def _mini_trunk() -> dict[str, torch.Tensor]:
    with safe_open(mini.folder() / "model.safetensors", framework="pt") as stored:
        names = [name for name in stored.keys() if name.startswith(TRUNK)]  # noqa: SIM118 - it is no mapping
        return {name.removeprefix(TRUNK): stored.get_tensor(name) for name in names}


def _stored(file: Path) -> dict[str, torch.Tensor]:
    if not file.is_file():
        raise CheckpointError(f"Setting `weights` names {file}, but there is no such file.")
    try:
        return dict(load_file(file))
    except BUILD_ERRORS as error:
        raise CheckpointError(f"The weights {file} cannot be read: {first_line(error)}.") from error


def _load(network: nn.Module, weights: dict[str, torch.Tensor], name: str) -> None:
    """Load weights into a network without a head; those of a head are left aside."""
    own = network.state_dict()
    missing = [key for key in own if key not in weights]
    misshapen = [key for key in own if key in weights and own[key].shape != weights[key].shape]
    if missing or misshapen:
        raise CheckpointError(
            f"The weights {name} are those of another network: {(missing or misshapen)[0]} is missing or of another "
            "shape. Expected the names that timm has for the tower."
        )
    network.load_state_dict({key: weights[key].to(own[key].dtype) for key in own})
