"""Checkpoints whose architecture open_clip knows: with a tag that it lists, or with a weights file of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
from open_clip.pretrained import get_pretrained_cfg

from zsderm.encoders import hub
from zsderm.encoders.base import EncoderCard, read_licence
from zsderm.encoders.catalogue import HUB
from zsderm.encoders.open_clip_format.checkpoint import WEIGHT_FILES, WEIGHT_SUFFIXES, OpenClipCheckpoint, assemble
from zsderm.errors import CheckpointError, UnknownModelError

QUICK, PLAIN = "-quickgelu", "-gelu"  # at the end of an architecture's name; open_clip has the first for some
_PREPROCESSING_KEYS = ("mean", "std", "interpolation", "resize_mode")


def from_tag(
    name: str, architecture: str, tag: str, facts: Mapping[str, Any], *, download: bool = True
) -> OpenClipCheckpoint:
    """The checkpoint that open_clip lists under an architecture and a tag.

    Args:
        name: the name the user gave.
        architecture: one that open_clip knows.
        tag: one of its tags.
        facts: what is known about it besides.
        download: False looks only into the hub's cache.

    Raises:
        CheckpointError: a part is missing, or cannot be fetched from here.
    """
    listed = get_pretrained_cfg(architecture, tag)
    model_cfg = open_clip.get_model_config(architecture)
    # open_clip only warns when a tag was trained with QuickGELU and the architecture says otherwise (28 tags of 3.3.0).
    model_cfg["quick_gelu"] = bool(model_cfg.get("quick_gelu") or listed.get("quick_gelu"))
    repository, _, file = listed["hf_hub"].rpartition("/")
    names = [str(Path(file).with_suffix(".safetensors")), file] if file else WEIGHT_FILES
    folder = hub.fetch(repository, ["README.md"], download=download)
    weights = hub.fetch_one(repository, names, folder.name, download=download)
    licence = {"licence": read_licence(folder)} if read_licence(folder) else {}
    card = EncoderCard.describe(name, model_cfg, {"source": f"{HUB}/{repository}", **facts, **licence})
    return assemble(card, {"model_cfg": model_cfg, "preprocess_cfg": listed}, weights, download=download)


def from_file(name: str, architecture: str, weights: Path, *, download: bool = True) -> OpenClipCheckpoint:
    """The checkpoint that consists of one weights file; the architecture says the rest.

    Preprocessing is the one on which all published weights of the architecture agree; where they do not, OpenAI's
    colours are assumed, with a warning.

    Args:
        name: the name the user gave.
        architecture: one that `architecture_config` knows.
        weights: the file.
        download: False looks only into the hub's cache for the tokenizer.

    Raises:
        CheckpointError: a part is missing or cannot be right, or the name leaves the activation open.
        UnknownModelError: there is no such weights file.
    """
    if not weights.is_file() or weights.suffix not in WEIGHT_SUFFIXES:
        kinds = ", ".join(WEIGHT_SUFFIXES)
        raise UnknownModelError(f"expected a weights file ({kinds}) after '{architecture}@', but got '{weights}'")
    base, _ = split_activation(architecture)
    model_cfg = architecture_config(architecture) or {}
    if is_silent(base, architecture):
        raise CheckpointError(
            f"there are weights of {base} with two activations, and a file does not say which of them is right: write "
            f"'{base}{QUICK}@{weights}' for those of OpenAI and what was trained from them, "
            f"'{base}{PLAIN}@{weights}' for open_clip's default"
        )
    card = EncoderCard.describe(name, model_cfg, {"description": f"{architecture} with the weights of {weights.name}"})
    config = {
        "model_cfg": model_cfg,
        "preprocess_cfg": _agreed_preprocessing(architecture if open_clip.get_model_config(architecture) else base),
    }
    return assemble(card, config, weights, weights.absolute().parent, download=download)


def architecture_config(architecture: str) -> dict[str, Any] | None:
    """open_clip's configuration of an architecture, whose name may end in its activation; None where it has none.

    Args:
        architecture: a name that open_clip knows, perhaps with "-quickgelu" or "-gelu" at its end.
    """
    if (known := open_clip.get_model_config(architecture)) is not None:
        return dict(known)
    base, quick = split_activation(architecture)
    config = None if quick is None else open_clip.get_model_config(base)
    return None if config is None else {**config, "quick_gelu": quick}


def split_activation(architecture: str) -> tuple[str, bool | None]:
    """A name without the activation at its end, and whether that is QuickGELU; None where the name says none."""
    for ending, quick in ((QUICK, True), (PLAIN, False)):
        if architecture.endswith(ending):
            return architecture.removesuffix(ending), quick
    return architecture, None


def is_silent(base: str, architecture: str) -> bool:
    """Whether weights of an architecture may have been trained with QuickGELU or without, and the name does not say."""
    config = open_clip.get_model_config(architecture)
    if architecture != base or config is None or config.get("quick_gelu"):
        return False
    tags = (get_pretrained_cfg(base, tag) for tag in open_clip.list_pretrained_tags_by_model(base))
    return open_clip.get_model_config(base + QUICK) is not None or any(tag.get("quick_gelu") for tag in tags)


def _agreed_preprocessing(architecture: str) -> dict[str, Any]:
    """What all tags of an architecture say about preprocessing; nothing where they differ."""
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    listed = [get_pretrained_cfg(architecture, tag) for tag in tags]
    said = [{key: entry[key] for key in _PREPROCESSING_KEYS if key in entry} for entry in listed]
    return said[0] if said and all(entry == said[0] for entry in said) else {}
