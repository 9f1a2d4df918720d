"""Model and tokenizer of a checkpoint, built by open_clip and checked against each other.

A wrong tokenizer, a stretched context or a half-precision tower raise nothing by themselves: they only ruin accuracy.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import open_clip
from open_clip.hf_model import HFTextEncoder
from safetensors import SafetensorError, safe_open

from zsderm.encoders.open_clip_format.checkpoint import Checkpoint
from zsderm.errors import CheckpointError

# How torch, safetensors, timm, transformers and open_clip complain about a file that is not what its configuration
# says: none of them has an error of its own for that.
BUILD_ERRORS = (
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    AssertionError,
    OSError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)


def build(checkpoint: Checkpoint) -> tuple[Any, Any]:
    """Build model and tokenizer with open_clip, without a network, and check that they belong together.

    Args:
        checkpoint: the parts.

    Returns:
        The model with all its weights, and a callable from a list of strings to (B, L) token ids.

    Raises:
        CheckpointError: the parts do not fit together.
    """
    # The tokenizer may bring neither code nor a wish to look elsewhere.
    options = {"trust_remote_code": False, "local_files_only": True} if checkpoint.tokenizer else {}
    with checkpoint.tidy_folder() as folder, _root_logger_left_alone():
        name = f"local-dir:{folder}"
        try:
            model = open_clip.create_model(name, precision="fp32", require_pretrained=True, weights_only=True)
            tokenizer = open_clip.get_tokenizer(name, **options)
        except BUILD_ERRORS as error:
            keys = f" Its configuration has keys unknown to open_clip: {', '.join(checkpoint.dropped)}."
            raise CheckpointError(
                f"'{checkpoint.card.name}' cannot be built from {checkpoint.weights}: {first_line(error)}."
                f"{keys if checkpoint.dropped else ''} Check that weights and configuration belong together."
            ) from error
    _check_positions(checkpoint, model)
    _check_context(checkpoint, model)
    _check_tokenizer(checkpoint, model, tokenizer)
    return model, tokenizer


def _check_positions(checkpoint: Checkpoint, model: Any) -> None:
    """Refuse stored text positions that open_clip has silently stretched to another context length.

    Only safetensors are looked into: their header gives the shapes without reading the weights.
    """
    if checkpoint.weights.suffix != ".safetensors":
        return
    built = dict(model.named_parameters())
    with safe_open(checkpoint.weights, framework="pt") as stored:
        for key in ("positional_embedding", "text.positional_embedding"):
            name = key if key in built else f"text.{key}"
            if key in stored.keys() and name in built:  # noqa: SIM118 (not a dict: it has no `in`)
                length, expected = stored.get_slice(key).get_shape()[0], built[name].shape[0]
                if length != expected:
                    raise CheckpointError(
                        f"the configuration of '{checkpoint.card.name}' says context_length {expected}, but its "
                        f"weights were trained with {length}. Set text_cfg.context_length to {length}."
                    )


def _check_tokenizer(checkpoint: Checkpoint, model: Any, tokenizer: Any) -> None:
    """Refuse a tokenizer that cannot be the one the text tower was trained with."""
    tower, inner = getattr(model, "text", model), getattr(tokenizer, "tokenizer", None)
    known = (tokenizer if inner is None else inner).vocab_size  # tokens added later are left out: they need no row
    filler = 0 if inner is None else inner.pad_token_id
    if known > tower.vocab_size:
        raise CheckpointError(
            f"the tokenizer of '{checkpoint.card.name}' knows {known} tokens, but its text tower only "
            f"{tower.vocab_size}: it belongs to another model. Put the right tokenizer files beside the weights."
        )
    if filler is None:
        raise CheckpointError(
            f"the tokenizer of '{checkpoint.card.name}' has no padding token. Its files are incomplete: "
            "tokenizer_config.json or special_tokens_map.json should name one."
        )
    if isinstance(tower, HFTextEncoder) and filler != tower.config.pad_token_id:
        raise CheckpointError(
            f"the text tower of '{checkpoint.card.name}' expects padding token {tower.config.pad_token_id}, but its "
            f"tokenizer pads with {filler}: it belongs to another model."
        )


def _check_context(checkpoint: Checkpoint, model: Any) -> None:
    """Refuse a context that the text tower has no positions for."""
    tower, wanted = getattr(model, "text", None), checkpoint.card.context_length
    if isinstance(tower, HFTextEncoder) and 0 < tower.context_length < wanted:
        raise CheckpointError(
            f"expected context_length of '{checkpoint.card.name}' to be at most {tower.context_length}, the positions "
            f"of its text tower, but got {wanted}"
        )


def first_line(error: BaseException) -> str:
    """The start of a message that may run over hundreds of lines."""
    lines = " ".join(str(error).split())
    return (lines[:300] + " ..." if len(lines) > 300 else lines or type(error).__name__).rstrip(".")


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """Keep open_clip's calls to the root logger from giving it a handler, which would defeat the user's own set-up."""
    root, shield = logging.getLogger(), logging.NullHandler()
    root.addHandler(shield)
    try:
        yield
    finally:
        root.removeHandler(shield)
