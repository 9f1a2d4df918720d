"""Model and tokenizer of an open_clip folder, built by open_clip and checked against each other.

A wrong tokenizer, a stretched context or a half-precision tower raise nothing by themselves: they only ruin accuracy.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
from open_clip.hf_model import HFTextEncoder

from zsderm.encoders.base import EncoderCard
from zsderm.encoders.checkpoint import BUILD_ERRORS, first_line
from zsderm.encoders.sizes import check_numbers
from zsderm.encoders.stored_tensors import Shape, count_numbers, numpy_scalars_allowed, stored_shapes
from zsderm.errors import CheckpointError


def build(
    folder: Path,
    card: EncoderCard,
    weights: Path,
    model_cfg: Mapping[str, Any],
    *,
    own_tokenizer: bool,
    dropped: Sequence[str] = (),
) -> tuple[Any, Any]:
    """Build model and tokenizer with open_clip, without a network, and check that they belong together.

    Args:
        folder: as OpenClipCheckpoint.tidy_folder gives it.
        card: of the checkpoint.
        weights: its file, as the user knows it.
        model_cfg: its configuration, with the text tower's own inside where it has one.
        own_tokenizer: whether the folder brings a tokenizer; without one, CLIP's own is used.
        dropped: keys of its configuration that open_clip does not know; named when building fails.

    Returns:
        The model with all its weights, and a callable from a list of strings to (B, L) token ids.

    Raises:
        CheckpointError: the parts do not fit together.
    """
    # The tokenizer may neither bring code nor look elsewhere.
    options = {"trust_remote_code": False, "local_files_only": True} if own_tokenizer else {}
    with _root_logger_left_alone():
        name = f"local-dir:{folder}"
        try:
            shapes = stored_shapes(weights)
            check_numbers(card.name, model_cfg, count_numbers(shapes))
            with numpy_scalars_allowed():
                model = open_clip.create_model(name, precision="fp32", require_pretrained=True, weights_only=True)
            tokenizer = open_clip.get_tokenizer(name, **options)
        except CheckpointError:
            raise
        except BUILD_ERRORS as error:
            keys = f" Its configuration has keys unknown to open_clip: {', '.join(dropped)}."
            raise CheckpointError(
                f"'{card.name}' cannot be built from {weights}: {first_line(error)}."
                f"{keys if dropped else ''} Check that weights and configuration belong together."
            ) from error
    _check_positions(card, shapes, model)
    _check_bias(card, shapes, model)
    _check_context(card, model)
    _check_tokenizer(card, model, tokenizer)
    return model, tokenizer


def _check_positions(card: EncoderCard, shapes: Mapping[str, Shape], model: Any) -> None:
    """Refuse stored positions that open_clip has silently stretched to another context length or image size."""
    built = dict(model.named_parameters())
    for key in ("positional_embedding", "text.positional_embedding"):
        name = key if key in built else f"text.{key}"
        if key in shapes and name in built:
            length, expected = shapes[key][0], built[name].shape[0]
            if length != expected:
                added = expected - card.context_length  # CoCa has a place for its own token besides
                raise CheckpointError(
                    f"the configuration of '{card.name}' says context_length {expected - added}, but its "
                    f"weights were trained with {length - added}. Set text_cfg.context_length to {length - added}."
                )
    key = "visual.positional_embedding"
    if key in shapes and key in built and shapes[key][0] != built[key].shape[0]:
        raise CheckpointError(
            f"the configuration of '{card.name}' says image_size {card.image_size}, but its weights were trained with "
            f"{_trained_with(shapes[key][0], model.visual)}"
        )


def _trained_with(positions: int, visual: Any) -> str:
    """The image size that a number of positions belongs to, and where to write it."""
    side, patch = math.isqrt(positions - 1), getattr(visual, "patch_size", 1)
    patch = patch[0] if isinstance(patch, tuple) else patch
    if side * side != positions - 1:
        return f"{positions} positions, which no square image has. Set vision_cfg.image_size to the one it had."
    return f"{side * patch}. Set vision_cfg.image_size to {side * patch}."


def _check_bias(card: EncoderCard, shapes: Mapping[str, Shape], model: Any) -> None:
    """Refuse the bias of a sigmoid head that open_clip has made up as 0."""
    if getattr(model, "logit_bias", None) is not None and "logit_bias" not in shapes:
        raise CheckpointError(
            f"the configuration of '{card.name}' has an init_logit_bias, but its weights hold no logit_bias: they were "
            "trained without one. Take init_logit_bias out of model_cfg."
        )


def _check_tokenizer(card: EncoderCard, model: Any, tokenizer: Any) -> None:
    """Refuse a tokenizer that cannot be the one the text tower was trained with."""
    tower, inner = getattr(model, "text", model), getattr(tokenizer, "tokenizer", None)
    known = (tokenizer if inner is None else inner).vocab_size  # tokens added later are left out: they need no row
    filler = 0 if inner is None else inner.pad_token_id
    if known > tower.vocab_size:
        raise CheckpointError(
            f"the tokenizer of '{card.name}' knows {known} tokens, but its text tower only "
            f"{tower.vocab_size}: it belongs to another model. Put the right tokenizer files beside the weights."
        )
    if filler is None:
        raise CheckpointError(
            f"the tokenizer of '{card.name}' has no padding token. Its files are incomplete: "
            "tokenizer_config.json or special_tokens_map.json should name one."
        )
    if isinstance(tower, HFTextEncoder) and filler != tower.config.pad_token_id:
        raise CheckpointError(
            f"the text tower of '{card.name}' expects padding token {tower.config.pad_token_id}, but its "
            f"tokenizer pads with {filler}: it belongs to another model."
        )


def _check_context(card: EncoderCard, model: Any) -> None:
    """Refuse a context that the text tower has no positions for."""
    tower, wanted = getattr(model, "text", None), card.context_length
    if isinstance(tower, HFTextEncoder) and 0 < tower.context_length < wanted:
        raise CheckpointError(
            f"expected context_length of '{card.name}' to be at most {tower.context_length}, the positions "
            f"of its text tower, but got {wanted}"
        )


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """Keep open_clip's calls to the root logger from giving it a handler, which would hide the user's own set-up."""
    root, shield = logging.getLogger(), logging.NullHandler()
    root.addHandler(shield)
    try:
        yield
    finally:
        root.removeHandler(shield)
