"""zsderm-mini, the encoder that comes with the package: an image tower and a text tower trained on skin photographs."""

from __future__ import annotations

from pathlib import Path

from zsderm import installation
from zsderm.encoders.base import CONFIG_FILE, EncoderCard, read_config
from zsderm.encoders.fingerprint import fingerprint
from zsderm.encoders.tokenizer_files import tokenizer_files
from zsderm.errors import CheckpointError

NAME = "zsderm-mini"
FOLDER = Path(__file__).resolve().parents[1] / "weights" / NAME
FINGERPRINT = "d22cfa51b4b14b29"  # of the files that mini_encoder.py is written for; `zsderm models show` prints it


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


def check_unchanged() -> None:
    """Refuse other files than those that mini_encoder.py is written for: it would not look at their settings.

    Raises:
        CheckpointError: this installation came without the weights, or a file was changed or damaged.
    """
    place = folder()
    try:
        config = read_config(place)
        settings = {"model": config["model_cfg"], "preprocess": config["preprocess_cfg"]}
        named = [*tokenizer_files(place), place / "config.json"]
        found = fingerprint(settings, [place / "model.safetensors"], named)
    except (CheckpointError, KeyError, OSError):
        found = ""
    if found != FINGERPRINT:
        raise CheckpointError(
            f"the files of '{NAME}' in {place} are not those that this version of zsderm came with: one of them is "
            f"missing, damaged or changed. A changed encoder needs a folder of its own, --model local-dir:FOLDER. "
            f"Install the package again: {installation.again()}"
        )


def card() -> EncoderCard:
    """Card of the bundled encoder, without loading it.

    Raises:
        CheckpointError: this installation came without the weights.
    """
    return EncoderCard.read(folder(), NAME)
