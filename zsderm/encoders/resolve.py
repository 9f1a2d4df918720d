"""From the name that a user gives to the checkpoint that is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
from open_clip.pretrained import get_pretrained_cfg

from zsderm.encoders import catalogue, hub, mini
from zsderm.encoders.base import CARD_FILE, CONFIG_FILE, EncoderCard, read_config, read_licence
from zsderm.encoders.engines import ExportedCheckpoint, with_engine
from zsderm.encoders.open_clip_format.checkpoint import (
    WEIGHT_FILES,
    WEIGHT_SUFFIXES,
    Checkpoint,
    assemble,
    find_weights,
)
from zsderm.encoders.tokenizer_files import TOKENIZER_FILES
from zsderm.encoders.transformers_format import checkpoint as transformers_checkpoint
from zsderm.encoders.transformers_format.checkpoint import TransformersCheckpoint
from zsderm.errors import CheckpointError, UnknownModelError, did_you_mean

HUB_PREFIX, FOLDER_PREFIX = "hf-hub:", "local-dir:"
_SMALL_FILES = [  # everything but the weights
    CONFIG_FILE,
    CARD_FILE,
    "config.json",
    "README.md",
    *TOKENIZER_FILES,
    *transformers_checkpoint.PREPROCESSING_FILES,
]
AnyCheckpoint = Checkpoint | TransformersCheckpoint | ExportedCheckpoint
_PREPROCESSING_KEYS = ("mean", "std", "interpolation", "resize_mode")


def find_checkpoint(name: str, *, download: bool = True) -> AnyCheckpoint:
    """Find the checkpoint that a name stands for, and check that all its parts are there.

    Args:
        name: a bundled name, "hf-hub:org/name", "local-dir:/folder" or a plain folder, "ARCH/pretrained" as in
            "ViT-B-32/openai", or "ARCH@FILE" for a weights file of an architecture that open_clip knows.
        download: False takes from the hub only what is already in its cache.

    Raises:
        UnknownModelError: the name leads nowhere.
        CheckpointError: it leads to something incomplete, or to something that cannot be fetched from here.
    """
    if name == mini.NAME:
        return from_folder(mini.folder(), name, download=download)
    if name.startswith(HUB_PREFIX):
        return _from_hub(name, download)
    path = name.removeprefix(FOLDER_PREFIX)
    folder = Path(path).expanduser()
    if path and folder.is_dir():
        return from_folder(folder, name, download=download)
    if name.startswith(FOLDER_PREFIX):
        raise UnknownModelError(f"there is no folder {folder}. Expected a checkpoint folder with a {CONFIG_FILE}.")
    architecture, at, file = name.partition("@")
    if at and open_clip.get_model_config(architecture):
        return _from_file(name, architecture, Path(file).expanduser(), download)
    architecture, _, tag = name.partition("/")
    if get_pretrained_cfg(architecture, tag):
        return _from_tag(name, architecture, tag, download)
    raise UnknownModelError(_unknown(name, architecture, tag))


def from_folder(folder: Path, name: str, *, download: bool = True) -> AnyCheckpoint:
    """The checkpoint in a folder.

    Args:
        folder: holds open_clip_config.json and one weights file, perhaps tokenizer and text tower configuration; or
            what transformers saves of a CLIP or SigLIP; perhaps the image tower of an engine as well.
        name: the name the user gave.
        download: False takes a text tower that is not in the folder only from the hub's cache.

    Raises:
        CheckpointError: a part is missing or cannot be right.
    """
    if transformers_checkpoint.is_transformers(folder):
        return with_engine(folder, transformers_checkpoint.from_folder(folder, name, card_facts(name)))
    config = read_config(folder)
    weights = find_weights(folder)
    if weights is None:
        raise CheckpointError(
            f"{folder} has a {CONFIG_FILE} but no weights. Expected model.safetensors, open_clip_model.safetensors or "
            "open_clip_pytorch_model.bin beside it; a model without weights would answer at random."
        )
    card = EncoderCard.read(folder, name, otherwise=card_facts(name))
    return with_engine(folder, assemble(card, config, weights, folder, download=download))


def _from_hub(name: str, download: bool) -> AnyCheckpoint:
    """The checkpoint in a hub repository."""
    repository = name.removeprefix(HUB_PREFIX)
    if not hub.REPOSITORY.fullmatch(repository):
        raise UnknownModelError(f"expected '{HUB_PREFIX}org/name', but got '{name}'. See: zsderm models list")
    folder = hub.fetch(repository, _SMALL_FILES, download=download)
    if transformers_checkpoint.is_transformers(folder):
        names = transformers_checkpoint.WEIGHT_FILES
        weights = hub.fetch_one(repository, names, folder.name, download=download)
        for shard in transformers_checkpoint.shards(weights):
            hub.fetch_one(repository, [shard], folder.name, download=download)
        return from_folder(folder, name, download=download)
    if not (folder / CONFIG_FILE).is_file():
        hub.fetch_one(repository, [CONFIG_FILE], folder.name, download=download)
    if find_weights(folder) is None:
        hub.fetch_one(repository, WEIGHT_FILES, folder.name, download=download)
    return from_folder(folder, name, download=download)


def _from_tag(name: str, architecture: str, tag: str, download: bool) -> Checkpoint:
    """The checkpoint that open_clip lists under an architecture and a tag."""
    listed = get_pretrained_cfg(architecture, tag)
    model_cfg = open_clip.get_model_config(architecture)
    # open_clip only warns when a tag was trained with QuickGELU and the architecture says otherwise (28 tags of 3.3.0).
    model_cfg["quick_gelu"] = bool(model_cfg.get("quick_gelu") or listed.get("quick_gelu"))
    repository, _, file = listed["hf_hub"].rpartition("/")
    names = [str(Path(file).with_suffix(".safetensors")), file] if file else WEIGHT_FILES
    folder = hub.fetch(repository, ["README.md"], download=download)
    weights = hub.fetch_one(repository, names, folder.name, download=download)
    licence = {"licence": read_licence(folder)} if read_licence(folder) else {}
    page = {"source": f"{catalogue.HUB}/{repository}"}
    card = EncoderCard.describe(name, model_cfg, page | card_facts(name) | licence)
    return assemble(card, {"model_cfg": model_cfg, "preprocess_cfg": listed}, weights, download=download)


def _from_file(name: str, architecture: str, weights: Path, download: bool) -> Checkpoint:
    """The checkpoint that consists of one weights file; the architecture says the rest.

    Preprocessing is the one on which all published weights of the architecture agree; where they do not, OpenAI's
    colours are assumed aloud.
    """
    if not weights.is_file() or weights.suffix not in WEIGHT_SUFFIXES:
        kinds = ", ".join(WEIGHT_SUFFIXES)
        raise UnknownModelError(f"expected a weights file ({kinds}) after '{architecture}@', but got '{weights}'")
    model_cfg = open_clip.get_model_config(architecture)
    card = EncoderCard.describe(name, model_cfg, {"description": f"{architecture} with the weights of {weights.name}"})
    config = {"model_cfg": model_cfg, "preprocess_cfg": _agreed_preprocessing(architecture)}
    return assemble(card, config, weights, weights.absolute().parent, download=download)


def _agreed_preprocessing(architecture: str) -> dict[str, Any]:
    """What all tags of an architecture say about preprocessing; nothing where they differ."""
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    listed = [get_pretrained_cfg(architecture, tag) for tag in tags]
    said = [{key: entry[key] for key in _PREPROCESSING_KEYS if key in entry} for entry in listed]
    return said[0] if said and all(entry == said[0] for entry in said) else {}


def card_facts(name: str) -> dict[str, Any]:
    """What the catalogue says about a checkpoint; for one of the hub at least where it is."""
    card = catalogue.known(name)
    if card:
        told = ("licence", "source", "description", "parameters", "training_data", "gated", "figures")
        return {key: getattr(card, key) for key in told}
    return {"source": f"{catalogue.HUB}/{name.removeprefix(HUB_PREFIX)}"} if name.startswith(HUB_PREFIX) else {}


def _unknown(name: str, architecture: str, tag: str) -> str:
    """Why a name leads nowhere, and which names lead somewhere."""
    if Path(name).suffix in WEIGHT_SUFFIXES:
        if "@" in name:
            known = open_clip.list_models()
            named = name.partition("@")[0]
            return (
                f"open_clip knows no architecture '{named}'.{did_you_mean(named, known)} Expected 'ARCHITECTURE@FILE'."
            )
        return f"weights alone do not say which architecture they are for: write 'ViT-B-16@{name}', or the like"
    listed = [f"{arch}/{known}" for arch, known in open_clip.list_pretrained()]
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tags:
        what = f"has no weights tagged '{tag}'" if tag else "is an architecture without weights"
        return f"'{architecture}' {what}. Known tags: {', '.join(tags)}. Write for instance '{architecture}/{tags[0]}'."
    hint = did_you_mean(name, [*catalogue.BUNDLED, *(card.name for card in catalogue.FETCHED), *listed])
    if not hint and tag and hub.REPOSITORY.fullmatch(name):
        hint = f" For a Hugging Face repository, write '{HUB_PREFIX}{name}'."
    return f"no encoder goes by the name '{name}'.{hint} See: zsderm models list"
