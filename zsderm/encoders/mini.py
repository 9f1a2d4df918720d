"""zsderm-mini, the encoder that comes with the package: an image tower and a text tower trained on skin photographs."""

from __future__ import annotations

from pathlib import Path

from zsderm import installation
from zsderm.encoders.base import CONFIG_FILE, EncoderCard
from zsderm.errors import CheckpointError

NAME = "zsderm-mini"
FOLDER = Path(__file__).resolve().parents[1] / "weights" / NAME


def available() -> bool:
    """Whether this installation carries the weights."""
    return (FOLDER / CONFIG_FILE).is_file() and (FOLDER / "model.safetensors").is_file()


def folder() -> Path:
    """Where the checkpoint is, once it is known to be there.

    Raises:
        CheckpointError: this installation came without the weights.
    """
    if not available():
        raise CheckpointError(
            f"this installation of zsderm lacks the weights of '{NAME}': expected {FOLDER / 'model.safetensors'}. "
            f"Install the package again: {installation.again()}"
        )
    return FOLDER


def card() -> EncoderCard:
    """Card of the bundled encoder, without loading it.

    Raises:
        CheckpointError: this installation came without the weights.
    """
    return EncoderCard.read(folder(), NAME)
