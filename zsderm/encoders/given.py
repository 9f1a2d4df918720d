"""The encoder that a user gives: by its name, or loaded already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsderm.encoders import Encoder, load_encoder
from zsderm.errors import WrongTypeError

if TYPE_CHECKING:
    import torch

# What a classifier asks of an encoder. Looked for by name: to ask for a property could mean to read all weights.
_NEEDED = ("card", "preprocess", "encode_pixels", "encode_texts")


def encoder_of(model: str | Path | Encoder, device: str | torch.device | None = None) -> Encoder:
    """An encoder by its name or folder, or one that is loaded already.

    Args:
        model: a name, see `load_encoder`; a folder; or an encoder, which stays on its device.
        device: for an encoder that is loaded here.

    Raises:
        WrongTypeError: it is none of these.
        UnknownModelError, CheckpointError: see `load_encoder`.
    """
    if isinstance(model, str | Path):
        return load_encoder(model, device)
    if isinstance(model, type) or not all(hasattr(model, name) for name in _NEEDED):
        raise WrongTypeError(
            "Expected the model to be a name such as 'zsderm-mini', a folder, or a loaded encoder, but got "
            f"{'None' if model is None else type(model).__name__}. See: zsderm models list"
        )
    return model
