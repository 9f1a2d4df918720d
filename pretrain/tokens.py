"""How many tokens a text has, by the tokenizer that a configuration names: what is beyond the context is never read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

from zsderm.errors import CheckpointError

from .model import minilm_folder

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
CLIP_CONTEXT = 77  # what open_clip takes where a configuration does not say


@dataclass(frozen=True)
class TokenLimit:
    """Counts the tokens of a text, with the ones that mark its beginning and end, and says how many are read."""

    count: Callable[[str], int]
    most: int


def token_limit(model_cfg: Mapping[str, Any]) -> TokenLimit:
    """The tokenizer and context length of a model configuration.

    Args:
        model_cfg: as in open_clip_config.json.

    Raises:
        MissingDependencyError: the tokenizer is in a package that is not installed.
        CheckpointError: the tokenizer is neither a folder nor in the hub's cache, and cannot be fetched.
    """
    text_cfg = model_cfg["text_cfg"]
    most = int(text_cfg.get("context_length", CLIP_CONTEXT))
    name = text_cfg.get("hf_tokenizer_name") or text_cfg.get("hf_model_name")
    if not name:
        clip = SimpleTokenizer(context_length=most)
        return TokenLimit(lambda text: len(clip.encode(text)) + 2, most)
    try:
        wrapped = HFTokenizer(str(minilm_folder()) if name == MINILM else name, context_length=most)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"The tokenizer {name!r} of the configuration is not to be had: {' '.join(str(error).split())[:200]}. "
            "Fetch it once, or check the tables without --config; then the lengths of texts stay unchecked."
        ) from error
    return TokenLimit(lambda text: len(wrapped.tokenizer(wrapped.clean_fn(text), verbose=False)["input_ids"]), most)
