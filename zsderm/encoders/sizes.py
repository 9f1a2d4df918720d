"""The sizes that a checkpoint's configuration states, held against what they may be before anything is built from them.

A number with a digit too many would otherwise fill the memory, or never end, before the library that builds the model
notices that the weights are others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from zsderm.errors import CheckpointError
from zsderm.stored_json import is_number

# The largest whole number that each setting may have: several times what any published model has.
LARGEST = {
    # open_clip
    "embed_dim": 65_536,
    "image_size": 4_096,
    "patch_size": 4_096,
    "layers": 1_000,
    "width": 65_536,
    "head_width": 65_536,
    "heads": 4_096,
    "context_length": 65_536,
    "vocab_size": 10_000_000,
    "attn_pooler_queries": 65_536,
    "attn_pooler_heads": 4_096,
    # transformers
    "projection_dim": 65_536,
    "hidden_size": 65_536,
    "intermediate_size": 1_000_000,
    "num_hidden_layers": 1_000,
    "num_attention_heads": 4_096,
    "max_position_embeddings": 65_536,
    "num_channels": 16,
    "d_model": 65_536,
    "d_ff": 1_000_000,
    "d_kv": 65_536,
    "num_layers": 1_000,
    "num_heads": 4_096,
    "type_vocab_size": 65_536,
}
ABSENT = ("patch_size",)  # settings that may be null: a residual network has no patches
LISTS = {"image_size": (2,), "patch_size": (2,), "layers": (4,)}  # settings that may be a list, and how long
LARGEST_RATIO = 64.0  # of the widths of two layers


def check_sizes(name: str, settings: Mapping[str, Any], where: str = "") -> None:
    """Refuse a size that is no whole number from 1 to what LARGEST says, in the settings and in those inside them.

    Args:
        name: of the checkpoint, for the error.
        settings: a model_cfg of open_clip, or a config.json of transformers.
        where: the names of the settings that these stand in, for the error.

    Raises:
        CheckpointError: a size that cannot be.
    """
    for what, wanted, value in unlikely_sizes(settings, where):
        raise _refused(name, what, wanted, value)


def unlikely_sizes(settings: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, str, object]]:
    """The sizes that cannot be, in the settings and in those inside them.

    Args:
        settings: see `check_sizes`.
        where: the names of the settings that these stand in.

    Yields:
        The name of the setting, what it should be, and what it is.
    """
    for key, value in settings.items():
        if value is None and key in ABSENT:
            continue
        if key in LARGEST:
            lists = LISTS.get(key, ())
            if not _is_size(value, LARGEST[key], lists):
                yield f"{where}{key}", _size_wanted(LARGEST[key], lists), value
        elif isinstance(value, Mapping):
            yield from unlikely_sizes(value, f"{where}{key}.")
        elif key == "mlp_ratio" and not (is_number(value) and 0 < value <= LARGEST_RATIO):
            yield f"{where}{key}", f"a number above 0, up to {LARGEST_RATIO:g}", value


def check_size(
    name: str, what: str, value: object, largest: int = LARGEST["image_size"], lists: tuple[int, ...] = ()
) -> None:
    """Refuse a size that is no whole number from 1 to the largest.

    Args:
        name: of the checkpoint, for the error.
        what: the setting, for the error.
        value: what it says.
        largest: what it may say at most; by default, pixels along a side.
        lists: how long a list of such numbers may be.

    Raises:
        CheckpointError: it is none.
    """
    if not _is_size(value, largest, lists):
        raise _refused(name, what, _size_wanted(largest, lists), value)


def check_numbers(name: str, settings: Mapping[str, Any], stored: int) -> None:
    """Refuse a configuration that asks for more numbers than its weights hold, before memory is taken for them.

    Args:
        name: of the checkpoint, for the error.
        settings: as for `check_sizes`, which has passed them.
        stored: how many numbers the weights hold.

    Raises:
        CheckpointError: it does.
    """
    asked = least_numbers(settings)
    if asked > stored:
        raise CheckpointError(
            f"the configuration of '{name}' describes a model of at least {asked:,} numbers, but its weights hold "
            f"{stored:,}. Check that weights and configuration belong together."
        )


def least_numbers(settings: Mapping[str, Any]) -> int:
    """A count of numbers that a model with these settings has at least: its square matrices, tokens and positions."""
    inside = sum(least_numbers(value) for value in settings.values() if isinstance(value, Mapping))
    if settings.get("timm_model_name") or settings.get("hf_model_name"):  # which say the sizes, whatever else is said
        return inside
    width = max(_whole(settings, "width"), _whole(settings, "hidden_size"), _whole(settings, "d_model"))
    layers = settings.get("layers", settings.get("num_hidden_layers", settings.get("num_layers", 0)))
    if isinstance(layers, list | tuple):  # a residual network: 3 x 3 filters, twice as wide in each of four stages
        return inside + sum(9 * count * (width << stage) ** 2 for stage, count in enumerate(layers))
    ratio = settings.get("mlp_ratio", 0.0)
    hidden = max(int(2 * ratio * width), 2 * _whole(settings, "intermediate_size"))
    blocks = (layers or 0) * width * (4 * width + hidden)
    tokens = _whole(settings, "vocab_size") * width
    return inside + int(blocks) + tokens + _positions(settings) * width


def _positions(settings: Mapping[str, Any]) -> int:
    """Places of a transformer that looks at patches; 0 where the settings name none."""
    size, patch = settings.get("image_size"), settings.get("patch_size")
    if size is None or patch is None or not (settings.get("width") or settings.get("hidden_size")):
        return 0
    sides, steps = (value if isinstance(value, list | tuple) else (value, value) for value in (size, patch))
    return math.prod(side // step for side, step in zip(sides, steps, strict=True))


def _whole(settings: Mapping[str, Any], key: str) -> int:
    value = settings.get(key)
    return value if type(value) is int else 0


def _is_size(value: object, largest: int, lists: tuple[int, ...]) -> bool:
    entries = value if isinstance(value, list | tuple) and len(value) in lists else [value]
    return all(type(entry) is int and 1 <= entry <= largest for entry in entries)


def _size_wanted(largest: int, lists: tuple[int, ...]) -> str:
    also = f", or {lists[0]} of them in a list" if lists else ""
    return f"a whole number from 1 to {largest:,}{also}"


def _refused(name: str, what: str, wanted: str, value: object) -> CheckpointError:
    return CheckpointError(f"expected {what} of '{name}' to be {wanted}, but got {value!r:.80}")
