"""From the name that a user gives to the checkpoint that is meant. Names are read in this file only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
from open_clip.pretrained import get_pretrained_cfg

from zsderm.encoders import catalogue, hub, mini
from zsderm.encoders.base import (
    CONFIG_FILE,
    FOLDER_PREFIX,
    HUB_PREFIX,
    SUPERVISED_PREFIX,
    card_facts,
    unknown_format,
)
from zsderm.encoders.checkpoint import Checkpoint, CheckpointFormat
from zsderm.encoders.engines import with_engine
from zsderm.encoders.open_clip_format.checkpoint import WEIGHT_SUFFIXES, OpenClipCheckpoint
from zsderm.encoders.open_clip_format.listed import architecture_config, from_file, from_tag
from zsderm.encoders.transformers_format.checkpoint import TransformersCheckpoint
from zsderm.errors import CheckpointError, UnknownModelError, did_you_mean

log = logging.getLogger(__name__)

# Every format of a checkpoint folder. No two of them hold the same folder.
FORMATS: tuple[type[CheckpointFormat], ...] = (
    OpenClipCheckpoint,
    TransformersCheckpoint,
)


def find_checkpoint(name: str, *, download: bool = True) -> Checkpoint:
    """Find the checkpoint that a name stands for, and check that all its parts are there.

    Args:
        name: a bundled name, "hf-hub:org/name", "local-dir:/folder" or a plain folder, "ARCH/pretrained" as in
            "ViT-B-32/openai", or "ARCH@FILE" for a weights file of an architecture that open_clip knows.
        download: False takes from the hub only what is already in its cache. A folder's parts that lie elsewhere are
            never fetched.

    Raises:
        UnknownModelError: the name leads nowhere.
        CheckpointError: it leads to something incomplete, or to something that cannot be fetched from here.
    """
    if (reason := catalogue.why_not(name)) and not Path(name).is_dir():
        raise CheckpointError(f"'{name}' cannot be loaded as an encoder: {reason}. See: zsderm models list")
    facts = _known_facts(name)
    if folder := _folder_of(name, download):
        # A folder that came from somewhere may name any repository: only who names the hub himself allows asking it.
        return read_checkpoint(folder, name, facts, download=download and name.startswith(HUB_PREFIX))
    architecture, at, file = name.partition("@")
    if at and architecture_config(architecture):
        return from_file(name, architecture, Path(file).expanduser(), download=download)
    architecture, _, tag = name.partition("/")
    if get_pretrained_cfg(architecture, tag):
        return from_tag(name, architecture, tag, facts, download=download)
    raise UnknownModelError(_unknown(name, architecture, tag))


def read_checkpoint(folder: Path, name: str, facts: Mapping[str, Any], *, download: bool = True) -> Checkpoint:
    """The checkpoint in a folder of any format.

    Args:
        folder: holds all parts of a checkpoint, and perhaps the image tower of an engine as well.
        name: the name the user gave.
        facts: licence, source, description to use where the folder does not say.
        download: False takes a text tower that is not in the folder only from the hub's cache.

    Raises:
        CheckpointError: it is in no format that is known, or a part is missing or cannot be right.
    """
    for kind in FORMATS:
        if kind.holds(folder):
            log.debug("checkpoint %s from %s", name, folder)
            return with_engine(folder, kind.read(folder, name, facts, download=download))
    raise unknown_format(folder, *(kind.EXPECTED for kind in FORMATS))


def _folder_of(name: str, download: bool) -> Path | None:
    """The folder that a name stands for; None when it is a name of open_clip's, or of nothing."""
    if name == mini.NAME:
        return mini.folder()
    if name.startswith(HUB_PREFIX):
        return _fetched(name, download)
    path = name.removeprefix(FOLDER_PREFIX)
    folder = Path(path).expanduser()
    if path and folder.is_dir():
        return folder
    if name.startswith(FOLDER_PREFIX):
        raise UnknownModelError(f"there is no folder {folder}. Expected a checkpoint folder with a {CONFIG_FILE}.")
    return None


def _fetched(name: str, download: bool) -> Path:
    """The folder of a hub repository in the cache: first its small files, which say the format, then its weights."""
    repository = name.removeprefix(HUB_PREFIX)
    if not hub.REPOSITORY.fullmatch(repository):
        raise UnknownModelError(f"expected '{HUB_PREFIX}org/name', but got '{name}'. See: zsderm models list")
    small_files = dict.fromkeys(file for kind in FORMATS for file in kind.SMALL_FILES)
    folder = hub.fetch(repository, list(small_files), download=download)
    kind = next((kind for kind in FORMATS if kind.holds(folder)), FORMATS[0])
    kind.fetch(repository, folder, download=download)
    return folder


def _known_facts(name: str) -> dict[str, Any]:
    """What the catalogue says about a checkpoint; for one of the hub at least where it is."""
    card = catalogue.known(name)
    if card:
        return card_facts(card)
    return {"source": f"{catalogue.HUB}/{name.removeprefix(HUB_PREFIX)}"} if name.startswith(HUB_PREFIX) else {}


def _unknown(name: str, architecture: str, tag: str) -> str:
    """Why a name leads nowhere, and which names lead somewhere."""
    if name.startswith(SUPERVISED_PREFIX):
        return (
            f"'{name}' is a supervised classifier: it answers the classes of its training and embeds nothing, so it is "
            "no encoder. Use it with: zsderm classify, calibrate or benchmark"
        )
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
